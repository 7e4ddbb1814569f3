import { refusal, type Refusal } from '#kernel';
import { compareVersions, parseVersion, type K3sVersion } from './version.js';

/** Kubelets may be up to three minors older than the API server (since 1.28). */
const KUBELET_LAG = 3;

export interface RunningVersion {
  readonly instanceId: string;
  readonly name: string;
  readonly role: 'server' | 'agent';
  readonly version: string | null;
}

interface Parsed extends RunningVersion {
  readonly parsed: K3sVersion;
}

const skew = (message: string, hint: string, nodes: readonly RunningVersion[] = []): Refusal =>
  refusal(409, 'version_skew', message, {
    field: 'version',
    hint,
    ...(nodes.length === 0
      ? {}
      : { candidates: nodes.map(({ instanceId, name, version }) => ({ id: instanceId, name: `${name} ${version}` })) }),
  });

const byAge = (a: Parsed, b: Parsed): number => compareVersions(a.parsed, b.parsed);

/**
 * Kubernetes' version skew policy for moving every node to `target`: no minor is skipped, nothing is older than it was, and no
 * kubelet is ever newer than an API server or more than three minors older.
 */
export const checkSkew = (target: string, nodes: readonly RunningVersion[]): Refusal | undefined => {
  const to = parseVersion(target);
  if (to === undefined) return skew(`${JSON.stringify(target)} is not a K3s version`, 'e.g. v1.31.2+k3s1');
  const unknown = nodes.filter((n) => n.version === null || parseVersion(n.version) === undefined);
  if (unknown.length > 0)
    return skew('the version of some nodes is not known', 'wait until they are ready, or remove them', unknown);
  const known = nodes.map((n): Parsed => ({ ...n, parsed: parseVersion(n.version!)! }));
  const newer = known.filter((n) => compareVersions(n.parsed, to) > 0);
  if (newer.length > 0)
    return skew(
      `${target} is older than what runs: a downgrade is refused`,
      'kubernetes_rollback_upgrade takes the last upgrade back; otherwise restore a snapshot of that time',
      newer,
    );
  const oldest = known.filter((n) => n.role === 'server').sort(byAge)[0];
  if (oldest === undefined) return skew('the cluster has no server', 'bootstrap one first');
  if (oldest.parsed.major !== to.major || to.minor - oldest.parsed.minor > 1) {
    const next = `v${oldest.parsed.major}.${oldest.parsed.minor + 1}`;
    return skew(`${oldest.version} to ${target} skips a minor version`, `upgrade to a ${next} release first`, [oldest]);
  }
  const lagging = known.filter((n) => n.role === 'agent' && to.minor - n.parsed.minor > KUBELET_LAG);
  if (lagging.length > 0)
    return skew(
      `workers would be more than ${KUBELET_LAG} minors older than their servers`,
      'upgrade or remove these workers first',
      lagging,
    );
  return undefined;
};

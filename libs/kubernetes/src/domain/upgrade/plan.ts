import type { ClusterNode } from '../cluster/state.js';
import type { PlannedNode } from './events.js';
import { compareVersions, parseVersion } from './version.js';

export interface ClusterMember {
  readonly instanceId: string;
  readonly name: string;
  readonly role: 'server' | 'agent';
  readonly status: ClusterNode['status'];
  readonly version: string | null;
  readonly versionId: string | null;
  readonly drained: boolean;
}

export interface Plan {
  readonly nodes: readonly PlannedNode[];
  /** Members that are left out, and why. */
  readonly left: readonly { readonly instanceId: string; readonly name: string; readonly reason: string }[];
}

const isAt = (version: string | null, target: string): boolean => {
  const [a, b] = [version === null ? undefined : parseVersion(version), parseVersion(target)];
  return a !== undefined && b !== undefined && compareVersions(a, b) === 0;
};

/** Workers that are away are left out; what is at `target` already has nothing to be done to it. The first server is a canary, too. */
export const planNodes = (members: readonly ClusterMember[], target: string | null, canary: number): Plan => {
  const left: Plan['left'][number][] = [];
  const chosen = members.filter(({ instanceId, name, role, status, version }) => {
    const reason =
      target !== null && isAt(version, target)
        ? `it runs ${target} already`
        : role === 'agent' && status !== 'ready' && status !== 'draining'
          ? `it is ${status}`
          : undefined;
    if (reason !== undefined) left.push({ instanceId, name, reason });
    return reason === undefined;
  });
  const order = [...chosen].sort((a, b) =>
    a.role === b.role ? a.name.localeCompare(b.name) : a.role === 'server' ? -1 : 1,
  );
  const counts = { server: canary > 0 ? 1 : 0, agent: canary };
  const nodes = order.map((m): PlannedNode => ({
    instance_id: m.instanceId as never,
    name: m.name,
    role: m.role,
    canary: counts[m.role]-- > 0,
    from_version: m.version,
    from_version_id: m.versionId,
    was_drained: m.drained,
  }));
  return { nodes, left };
};

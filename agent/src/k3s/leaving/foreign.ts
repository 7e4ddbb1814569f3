import { basename, dirname, join } from 'node:path';
import { errorMessage } from '#kernel';
import { errorCode } from '../../adapters/error-code.js';
import type { AgentPorts } from '../../ports.js';
import { MARK } from '../../services/systemd-manager.js';
import { DATA_MARK } from '../k3s-data.js';
import type { K3sPaths } from '../paths.js';
import { knownIds, type PhaseStore } from '../phase-state.js';

const UNITS = ['k3s.service', 'k3s-agent.service'];
const UNIT_FOLDERS = ['etc', 'usr/local/lib', 'usr/lib', 'lib'].map((folder) => `${folder}/systemd/system`);
/** A unit of another name that runs a K3s, as its installer makes them with INSTALL_K3S_NAME. */
const RUNS_K3S = /k3s["']?\s+(\\\s*)?["']?(server|agent)\b/;
/** What else runs a Kubernetes: kubeadm's kubelet, RKE2, k0s, MicroK8s. */
const OTHER_UNIT = /^(kubelet|rke2-.*|k0s.*|snap\.microk8s\..*)\.service$/;
/** K3s writes none of these. Pods, mounts, links and rules of such a Kubernetes look like K3s's own. */
const OTHERS = [
  ...['kubeadm-flags.env', 'config.yaml'].map((name) => `var/lib/kubelet/${name}`),
  ...['kubelet.conf', 'admin.conf', 'manifests/kube-apiserver.yaml'].map((name) => `etc/kubernetes/${name}`),
  ...['var/lib/rancher/rke2', 'etc/rancher/rke2', 'var/lib/k0s', 'etc/k0s', 'var/snap/microk8s'],
];

interface Deps {
  readonly ports: Pick<AgentPorts, 'files'>;
  readonly phases: PhaseStore;
  readonly paths: K3sPaths;
}

/** Why the Kubernetes here is somebody else's, or may be; undefined when all that there is is Drover's. */
export const foreignKubernetes = async (deps: Deps): Promise<string | undefined> => {
  try {
    return (await foreignUnit(deps)) ?? (await anotherKubernetes(deps)) ?? (await foreignData(deps));
  } catch (error) {
    return `it cannot be told whose K3s this is (${errorMessage(error)}); it is left alone`;
  }
};

const foreignUnit = async ({ ports: { files }, paths }: Deps): Promise<string | undefined> => {
  for (const folder of [...UNIT_FOLDERS, 'etc/init.d']) {
    const place = join(paths.root, folder);
    for (const name of (await files.list(place)).filter((n) => folder === 'etc/init.d' || n.endsWith('.service'))) {
      const path = join(place, name);
      if (OTHER_UNIT.test(name)) return `${path}: of another Kubernetes; nothing of pods is touched`;
      if (!name.startsWith('k3s')) continue;
      const text = await textOf(files, path);
      const runsK3s = text !== undefined && (UNITS.includes(name) || RUNS_K3S.test(text));
      if (runsK3s && !text.startsWith(MARK)) return `${path}: a K3s that Drover did not start; it is left alone`;
    }
  }
  return undefined;
};

const anotherKubernetes = async ({ ports: { files }, paths }: Deps): Promise<string | undefined> => {
  for (const path of OTHERS.map((name) => join(paths.root, name)))
    if ((await files.list(dirname(path))).includes(basename(path)))
      return `${path}: of another Kubernetes; nothing of pods is touched`;
  return undefined;
};

const foreignData = async ({ ports: { files }, phases, paths }: Deps): Promise<string | undefined> => {
  if ((await files.list(paths.dataDir)).length === 0) return undefined;
  const mark = (await textOf(files, join(paths.dataDir, DATA_MARK)))?.trim();
  const unmarked = phases.assignments().map((id) => phases.get(id));
  const isOurs =
    mark === undefined
      ? unmarked.some(({ dataId, started }) => dataId === '' && started !== '')
      : knownIds(phases).has(mark);
  if (isOurs) return undefined;
  return `${paths.dataDir}: ${mark === undefined ? 'a K3s that Drover did not start' : 'data of an earlier instance'}; left alone`;
};

/** Undefined for a folder too, as the `k3s.service` of one who misspelt a drop-in's; what cannot be read throws. */
const textOf = async (files: AgentPorts['files'], path: string): Promise<string | undefined> => {
  try {
    return (await files.read(path))?.toString('utf8');
  } catch (error) {
    if (errorCode(error) === 'EISDIR') return undefined;
    throw error;
  }
};

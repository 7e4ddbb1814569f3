import { basename, dirname, join } from 'node:path';
import { errorMessage, failpoint } from '#kernel';
import type { AgentPorts } from '../../ports.js';
import type { ServiceManager } from '../../services/service-manager.js';
import { MARK } from '../../services/systemd-manager.js';
import { DATA_MARK } from '../k3s-data.js';
import type { K3sPaths } from '../paths.js';
import type { PhaseStore } from '../phase-state.js';
import { mountsAt, removeAround, unmount } from './mounts.js';
import { PodNetwork } from './pod-network.js';
import { endPods } from './pods.js';

const SERVICES = ['k3s', 'k3s-agent'] as const;
const UNITS = SERVICES.map((name) => `${name}.service`);
/** A unit of another name that runs a K3s, as its installer makes them with INSTALL_K3S_NAME. */
const RUNS_K3S = /k3s["']?\s+(\\\s*)?["']?(server|agent)\b/;
/** A kubeadm's; K3s writes neither. */
const FOREIGN_KUBELET = ['kubeadm-flags.env', 'config.yaml'];

export interface Left {
  /** What was taken away, in words. */
  readonly removed: readonly string[];
  /** What is still there, and why. */
  readonly left: readonly string[];
}

interface Deps {
  readonly ports: AgentPorts;
  readonly services: ServiceManager;
  readonly phases: PhaseStore;
  readonly paths: K3sPaths;
  readonly stateDir: string;
  /** Links, namespaces and packet filters of this machine are the agent's to change. */
  readonly network: boolean;
}

/**
 * What k3s-killall.sh and k3s-uninstall.sh do, for what Drover started here, and for nothing that an operator made. Every step
 * may be done again: an agent that dies in the middle begins anew. A step that fails does not hold up the others.
 */
export class K3sLeaving {
  constructor(private readonly deps: Deps) {}

  /** K3s is stopped and stays away, its data stay: nothing of its pods may go on. */
  async endPods(): Promise<Left> {
    const outcome = new Outcome();
    const foreign = await this.foreign();
    if (foreign !== undefined) outcome.left.push(foreign);
    else if (this.ranHere()) await this.pods(outcome);
    return this.told(outcome);
  }

  /** K3s leaves this machine for good. */
  async remove(keepData: boolean): Promise<Left> {
    const { services } = this.deps;
    const outcome = new Outcome();
    const foreign = await this.foreign();
    const ran = this.ranHere();
    for (const name of SERVICES)
      await outcome.step(`unit ${name}`, async () => {
        const others = await services.remove(name);
        outcome.left.push(...others.map((path) => `${path}: not written by drover-agent`));
      });
    await failpoint('agent.k3s_leaving');
    if (foreign !== undefined || !ran) {
      if (foreign !== undefined) outcome.left.push(foreign);
      return this.told(outcome);
    }
    await this.pods(outcome);
    await failpoint('agent.k3s_left');
    await this.settings(outcome);
    if (keepData) outcome.left.push(`${this.deps.paths.dataDir}: its data are kept`);
    else await this.data(outcome);
    return this.told(outcome);
  }

  /** The order of k3s-killall.sh: processes, mounts, namespaces, links, rules. */
  private async pods(outcome: Outcome): Promise<void> {
    const { ports, paths, network } = this.deps;
    await outcome.step('pods', async () => {
      const ended = await endPods(ports.files, ports.processes, paths.dataDir);
      if (ended > 0) outcome.removed.push(`${ended} processes of pods`);
    });
    await outcome.step('mounts', async () => {
      const folders = ['run/k3s', 'var/lib/kubelet/pods', 'var/lib/kubelet/plugins'];
      const points = await Promise.all(folders.map((folder) => mountsAt(ports.files, join(paths.root, folder))));
      for (const point of points.flat()) await outcome.step(point, () => unmount(ports.processes, point));
      if (points.flat().length > 0) outcome.removed.push(`${points.flat().length} mounts`);
    });
    const pods = new PodNetwork(ports, paths);
    if (network) {
      await outcome.step('network namespaces', async () => {
        const gone = await pods.removeNamespaces();
        if (gone > 0) outcome.removed.push(`${gone} network namespaces of pods`);
      });
      await outcome.step('links', async () => void outcome.removed.push(...(await pods.removeLinks())));
      await outcome.step('packet filter rules', async () => {
        if (await pods.removeRules()) outcome.removed.push('packet filter rules of kube-proxy and the CNI');
      });
    }
    await outcome.step('/var/lib/cni', () => pods.removeNotes());
  }

  private async settings(outcome: Outcome): Promise<void> {
    const { ports, paths } = this.deps;
    const { files } = ports;
    const folder = dirname(paths.config);
    await outcome.step(folder, async () => {
      for (const path of [paths.config, paths.dropIn])
        if ((await files.read(path))?.toString('utf8').startsWith(MARK)) await files.remove(path);
      // K3s writes it where the configuration says, and says so in it.
      await files.remove(paths.kubeconfig);
      await files.remove(join(paths.root, 'etc/rancher/node/password'));
      for (const place of [dirname(paths.dropIn), folder, join(paths.root, 'etc/rancher/node')])
        await files.removeIfEmpty(place);
      await files.removeIfEmpty(join(paths.root, 'etc/rancher'));
      outcome.left.push(...(await files.list(folder)).map((name) => `${join(folder, name)}: an operator’s`));
    });
    await outcome.step(paths.binary, () => this.program());
  }

  /** The program is ours where it leads to one that we keep, or is the one that we downloaded. */
  private async program(): Promise<void> {
    const { ports, paths, stateDir } = this.deps;
    const { files } = ports;
    const target = await files.linkTarget(paths.binary);
    const downloaded = (await files.read(join(stateDir, 'k3s-binary')))?.toString('utf8').trim();
    const isOurs =
      target !== undefined
        ? target.startsWith(join(paths.versions, '/'))
        : downloaded !== undefined && (await files.digest(paths.binary)) === downloaded;
    if (isOurs) await files.remove(paths.binary);
    await files.removeTree(paths.versions);
  }

  private async data(outcome: Outcome): Promise<void> {
    const { ports, paths } = this.deps;
    const { files } = ports;
    const tree = (path: string, last?: string) =>
      outcome.step(path, async () => {
        if (!(await files.list(dirname(path))).includes(basename(path))) return;
        const left = await removeAround(files, path, last);
        outcome.left.push(...left.map((point) => `${point}: a file system is mounted there`));
        if (left.length === 0) outcome.removed.push(path);
      });
    for (const name of ['run/k3s', 'run/flannel']) await tree(join(paths.root, name));
    const kubelet = join(paths.root, 'var/lib/kubelet');
    const others = (await files.list(kubelet)).filter((name) => FOREIGN_KUBELET.includes(name));
    if (others.length > 0) outcome.left.push(`${kubelet}: ${others.join(' and ')} are of another kubelet`);
    else await tree(kubelet);
    await tree(`${paths.dataDir}.set-aside`);
    // The mark goes last: it says whose all this is, and an agent that begins anew must still know.
    await tree(paths.dataDir, DATA_MARK);
    await files.removeIfEmpty(dirname(paths.dataDir));
  }

  private ranHere(): boolean {
    const { phases } = this.deps;
    return phases.assignments().some((id) => {
      const { installing, started, dataId, stopped } = phases.get(id);
      return installing || stopped || started !== '' || dataId !== '';
    });
  }

  /** Why K3s here is somebody else's, as far as can be seen; undefined when it is Drover's, or when there is none. */
  private async foreign(): Promise<string | undefined> {
    const { ports, paths, phases } = this.deps;
    const { files } = ports;
    for (const folder of ['etc/systemd/system', 'etc/init.d']) {
      const place = join(paths.root, folder);
      for (const name of (await files.list(place)).filter((n) => n.startsWith('k3s') && !n.endsWith('.d'))) {
        const text = (await readText(files, join(place, name))) ?? '';
        const runsK3s = UNITS.includes(name) || RUNS_K3S.test(text);
        if (runsK3s && !text.startsWith(MARK))
          return `${join(place, name)}: a K3s that Drover did not start; it is left alone`;
      }
    }
    const names = await files.list(paths.dataDir);
    if (names.length === 0) return undefined;
    const mark = (await readText(files, join(paths.dataDir, DATA_MARK)))?.trim();
    const known = phases.assignments().map((id) => phases.get(id));
    const isOurs =
      mark === undefined
        ? known.some(({ dataId, started }) => dataId === '' && started !== '')
        : known.some(({ dataId }) => dataId === mark);
    if (isOurs) return undefined;
    return `${paths.dataDir}: ${mark === undefined ? 'a K3s that Drover did not start' : 'data of an earlier instance'}; left alone`;
  }

  private told({ removed, left }: Outcome): Left {
    if (removed.length + left.length > 0) this.deps.ports.log.info({ removed, left }, 'k3s leaves this machine');
    return { removed, left };
  }
}

const readText = async (files: AgentPorts['files'], path: string): Promise<string | undefined> =>
  (await files.read(path))?.toString('utf8');

class Outcome {
  readonly removed: string[] = [];
  readonly left: string[] = [];

  async step(what: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.left.push(`${what}: ${errorMessage(error)}`);
    }
  }
}

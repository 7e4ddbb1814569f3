import { basename, dirname, join } from 'node:path';
import { errorMessage, failpoint } from '#kernel';
import type { AgentPorts } from '../../ports.js';
import type { ServiceManager } from '../../services/service-manager.js';
import { MARK } from '../../services/systemd-manager.js';
import { DATA_MARK } from '../k3s-data.js';
import type { K3sPaths } from '../paths.js';
import { knownIds, type PhaseStore } from '../phase-state.js';
import { foreignKubernetes } from './foreign.js';
import { mountsAt, removeAround, straight, unmount } from './mounts.js';
import { PodNetwork } from './pod-network.js';
import { removePodLogs } from './pod-logs.js';
import { endPods, k3sProcesses } from './pods.js';

const SERVICES = ['k3s', 'k3s-agent'] as const;

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
    const foreign = await foreignKubernetes(this.deps);
    if (foreign !== undefined) outcome.left.push(foreign);
    else if (this.ranHere()) {
      this.mustHaveEnded(await this.processes());
      await this.pods(outcome);
    }
    return this.told(outcome);
  }

  /** K3s leaves this machine for good. Throws while it still runs: nothing is taken away below it. */
  async remove(keepData: boolean): Promise<Left> {
    const { paths, phases } = this.deps;
    const outcome = new Outcome();
    const foreign = await foreignKubernetes(this.deps);
    const running = await this.units(outcome, foreign !== undefined);
    this.mustHaveEnded([...running, ...(foreign === undefined ? await this.processes() : [])]);
    await failpoint('agent.k3s_leaving');
    if (foreign !== undefined && phases.assignments().length > 0) outcome.left.push(foreign);
    if (foreign !== undefined || !this.ranHere()) return this.told(outcome);
    await this.pods(outcome);
    await failpoint('agent.k3s_left');
    await this.settings(outcome);
    if (keepData) outcome.left.push(`${paths.dataDir}: its data are kept`);
    else await this.data(outcome);
    return this.told(outcome);
  }

  private async processes(): Promise<readonly string[]> {
    const pids = await k3sProcesses(this.deps.ports.files, this.deps.paths);
    return pids.map((pid) => `process ${pid}`);
  }

  private mustHaveEnded(running: readonly string[]): void {
    if (running.length > 0) throw new Error(`k3s has not ended: ${running.join('; ')}`);
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
      const points: string[] = [];
      for (const folder of folders.map((name) => join(paths.root, name)))
        await outcome.step(folder, async () => {
          const real = await straight(ports.files, paths.root, folder);
          if (real !== undefined) points.push(...(await mountsAt(ports.files, real)));
        });
      for (const point of points) await outcome.step(point, () => unmount(ports.processes, point));
      if (points.length > 0) outcome.removed.push(`${points.length} mounts`);
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
      await outcome.step('address sets', async () => {
        const gone = await pods.removeSets();
        if (gone > 0) outcome.removed.push(`${gone} address sets of kube-proxy and network policies`);
      });
    }
    await outcome.step('/var/lib/cni', async () => void outcome.left.push(...(await pods.removeNotes())));
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
    await outcome.step(paths.binary, async () => void outcome.left.push(...(await this.program())));
  }

  /** The program is ours where it leads to one that we keep, or is the one that we downloaded. */
  private async program(): Promise<readonly string[]> {
    const { ports, paths, stateDir } = this.deps;
    const { files } = ports;
    const target = await files.linkTarget(paths.binary);
    const downloaded = (await files.read(join(stateDir, 'k3s-binary')))?.toString('utf8').trim();
    const isOurs =
      target !== undefined
        ? target.startsWith(join(paths.versions, '/'))
        : downloaded !== undefined && (await files.digest(paths.binary)) === downloaded;
    if (isOurs) await files.remove(paths.binary);
    return removeAround(files, paths.root, paths.versions);
  }

  private async data(outcome: Outcome): Promise<void> {
    const { ports, paths, phases } = this.deps;
    const { files } = ports;
    const tree = async (path: string, last?: string): Promise<boolean> =>
      outcome.step(path, async () => {
        if (!(await files.list(dirname(path))).includes(basename(path))) return;
        const left = await removeAround(files, paths.root, path, last);
        outcome.left.push(...left);
        if (left.length === 0) outcome.removed.push(path);
      });
    // While kubelet's folder says which pods there were.
    await outcome.step('logs of pods', async () => {
      const { pods, left } = await removePodLogs(files, paths.root);
      outcome.left.push(...left);
      if (pods > 0) outcome.removed.push(`logs of ${pods} pods`);
    });
    for (const name of ['run/k3s', 'run/flannel', 'var/lib/kubelet']) await tree(join(paths.root, name));
    const aside = `${basename(paths.dataDir)}.set-aside`;
    for (const name of (await files.list(dirname(paths.dataDir))).filter((n) => n.startsWith(aside))) {
      const path = join(dirname(paths.dataDir), name);
      await outcome.step(`${path}: whose it is cannot be read, left alone`, async () => {
        const mark = (await files.read(join(path, DATA_MARK)))?.toString('utf8').trim() ?? '';
        if (knownIds(phases).has(mark)) await tree(path, DATA_MARK);
        else outcome.left.push(`${path}: not of this instance; left alone`);
      });
    }
    // The mark goes last: it says whose all this is, and an agent that begins anew must still know.
    await tree(paths.dataDir, DATA_MARK);
    await files.removeIfEmpty(dirname(paths.dataDir));
  }

  /** A K3s was started here for this instance, or may have been: one that was only installed had no pods. */
  private ranHere(): boolean {
    const { phases } = this.deps;
    const started = phases.assignments().some((id) => phases.get(id).started !== '');
    return started || knownIds(phases).size > 0;
  }

  /** Takes the units away that are ours; answers why K3s may still run. */
  private async units(outcome: Outcome, foreign: boolean): Promise<string[]> {
    const { services } = this.deps;
    const running: string[] = [];
    for (const name of SERVICES) {
      const kept = outcome.left.length;
      const removed = await outcome.step(`unit ${name}`, async () => {
        const others = await services.remove(name);
        outcome.left.push(...others.map((path) => `${path}: not written by drover-agent`));
      });
      // What runs beside a foreign one is the operator's: of ours there was nothing but the unit, and that is gone.
      if (removed && (foreign || !this.ranHere())) continue;
      const status = await services.status(name);
      const still = removed ? status.running : !status.ended;
      if (still) running.push(removed ? `unit ${name}: ${status.detail}` : outcome.left[kept]!);
    }
    return running;
  }

  private told({ removed, left }: Outcome): Left {
    if (removed.length + left.length > 0) this.deps.ports.log.info({ removed, left }, 'k3s leaves this machine');
    return { removed, left };
  }
}

class Outcome {
  readonly removed: string[] = [];
  readonly left: string[] = [];

  /** False when it failed. */
  async step(what: string, act: () => Promise<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      this.left.push(`${what}: ${errorMessage(error)}`);
      return false;
    }
  }
}

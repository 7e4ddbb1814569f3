import { basename, dirname, join } from 'node:path';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';
import type { K3sPaths } from './paths.js';
import { mountsAt, removeAround } from './leaving/mounts.js';
import { knownIds, type PhaseState, type PhaseStore } from './phase-state.js';
import type { K3sSpec } from './render.js';
import type { Local } from './standing.js';
import { FOREIGN, standing } from './standing.js';

/** In K3s's folder. */
export const DATA_MARK = 'drover-data';

/** What a server or a worker leaves there. Not among them is what an operator lays down before: images, charts, settings. */
const SIGNS = [
  ...['server/tls/server-ca.crt', 'server/node-token', 'server/db/etcd', 'server/db/state.db'],
  ...['agent/client-kubelet.crt', 'agent/kubelet.kubeconfig', 'agent/containerd'],
];

const fresh = (life: number): PhaseState => ({
  life,
  installing: false,
  bootstrapped: false,
  joined: false,
  started: '',
  ready: false,
  stopped: false,
  clusterId: '',
  restartedMs: 0,
  dataId: '',
  dataCluster: '',
  datastoreVersion: '',
  certificates: 0,
  certificatesTold: 0,
  token: 0,
  tokenTold: 0,
});

/** The next life of an assignment: what its earlier ones put into K3s's folder stays known as this instance's. */
const nextLife = ({ life, dataId, formerIds }: PhaseState): PhaseState => ({
  ...fresh(life + 1),
  formerIds: [...new Set([...(formerIds ?? []), ...(dataId === '' ? [] : [dataId])])],
});

/** The state after a stop: the data stay, for the case that the same cluster goes on here. */
export const stoppedState = ({ life, dataId, dataCluster, joined, bootstrapped }: PhaseState): PhaseState => ({
  ...fresh(life),
  dataId,
  dataCluster,
  joined,
  bootstrapped,
  stopped: true,
  // It has gone. Named, for what is not named stays as it was.
  leaving: undefined,
});

/** Whose data are in K3s's folder. A mark in it carries an id that the agent's own state knows, so that neither lies. */
export class K3sData {
  constructor(
    private readonly deps: {
      readonly ports: AgentPorts;
      readonly services: ServiceManager;
      readonly phases: PhaseStore;
      readonly paths: K3sPaths;
    },
  ) {}

  /**
   * The next life of an assignment that was stopped. A server goes on with its data if it still is a member of their
   * cluster; a worker always joins anew.
   */
  async revive(spec: K3sSpec): Promise<PhaseState> {
    const { phases } = this.deps;
    const old = phases.get(spec.assignment_id);
    const same = spec.kind === 'k3s_server' && spec.member && spec.cluster_id === old.dataCluster;
    const { dataId, dataCluster, joined, bootstrapped } = old;
    const goesOn = { dataId, dataCluster, joined, bootstrapped, clusterId: dataCluster };
    // A worker's folder stays its own, with the volumes in it, whichever cluster it joins.
    const kept = same ? goesOn : spec.kind === 'k3s_agent' ? { dataId } : {};
    return phases.set(spec.assignment_id, { ...nextLife(old), ...kept });
  }

  /** Makes room where it must, and answers as what the server starts. Throws when that is an operator's to decide. */
  async settle(spec: Extract<K3sSpec, { kind: 'k3s_server' }>): Promise<'init' | 'join'> {
    const { phases, ports } = this.deps;
    for (;;) {
      let state = phases.get(spec.assignment_id);
      const data = await this.look(state);
      // Ready once and empty now: the disk is another one. That a cluster was made is all that still holds.
      if (data === 'none' && state.ready) {
        const kept = { installing: true, bootstrapped: state.bootstrapped };
        state = await phases.set(spec.assignment_id, { ...nextLife(state), ...kept });
      }
      const { dataCluster: cluster, joined, bootstrapped } = state;
      const found = standing(spec, { data, cluster, joined, bootstrapped });
      if (found.kind === 'refuse') throw new Error(`${this.deps.paths.dataDir}: ${found.why}`);
      if (found.kind === 'start') return found.as;
      ports.log.warn({ assignment: spec.assignment_id, why: found.why }, 'k3s data are set aside');
      await this.setAside();
      await phases.set(spec.assignment_id, { ...nextLife(state), installing: true });
    }
  }

  /** Makes room for a worker, where there are another's data or those of an earlier life. Throws like `settle`. */
  async settleWorker(spec: K3sSpec): Promise<void> {
    const { phases, ports, paths } = this.deps;
    const state = phases.get(spec.assignment_id);
    const data = await this.look(state);
    if (data === 'foreign') throw new Error(`${paths.dataDir}: ${FOREIGN}`);
    if (data !== 'former') return;
    ports.log.warn({ assignment: spec.assignment_id }, 'k3s data of an earlier life of this node are set aside');
    await this.setAside();
    await phases.set(spec.assignment_id, { ...nextLife(state), installing: true });
  }

  /** The platform has another cluster's CA on record: what is here is set aside, and this server will join. */
  async yieldTo(spec: K3sSpec): Promise<void> {
    const { phases, ports } = this.deps;
    const state = phases.get(spec.assignment_id);
    ports.log.warn({ assignment: spec.assignment_id }, 'the cluster exists; what was begun here is set aside');
    await this.setAside();
    await phases.set(spec.assignment_id, { ...nextLife(state), installing: true, bootstrapped: true });
  }

  /** A restore takes the folder over; what an operator's own K3s has there is not ours to write over. */
  async mayTakeOver(assignmentId: string): Promise<void> {
    const data = await this.look(this.deps.phases.get(assignmentId));
    if (data !== 'foreign' && (data !== 'former' || this.isKnown(await this.marked()))) return;
    throw new Error(`${this.deps.paths.dataDir}: ${FOREIGN}`);
  }

  /** Before anything can be written there: the folder is this life's. */
  async own(spec: K3sSpec, clusterId: string): Promise<void> {
    const { phases, ports } = this.deps;
    const state = phases.get(spec.assignment_id);
    const dataId = state.dataId || Buffer.from(ports.random.bytes(8)).toString('hex');
    const dataCluster = clusterId || state.dataCluster;
    if (dataId !== state.dataId || dataCluster !== state.dataCluster)
      await phases.set(spec.assignment_id, { dataId, dataCluster });
    if ((await this.marked()) !== dataId) await ports.files.write(this.mark, dataId);
  }

  private get mark(): string {
    return join(this.deps.paths.dataDir, DATA_MARK);
  }

  private async marked(): Promise<string | undefined> {
    return (await this.deps.ports.files.read(this.mark))?.toString('utf8').trim();
  }

  /** This instance wrote it. */
  private isKnown(mark: string | undefined): boolean {
    return mark !== undefined && knownIds(this.deps.phases).has(mark);
  }

  private async look(state: PhaseState): Promise<Local['data']> {
    const mark = await this.marked();
    const isAnothers = mark !== undefined && !this.isKnown(mark);
    if (!isAnothers && !(await this.used())) return 'none';
    // An agent from before the mark began what is there.
    if (mark === undefined && state.dataId === '' && state.started !== '') return 'ours';
    if (mark === undefined) return state.dataId === '' ? 'foreign' : 'former';
    return mark === state.dataId ? 'ours' : 'former';
  }

  /** Any K3s has been at work there, or has left volumes there. */
  private async used(): Promise<boolean> {
    const { files } = this.deps.ports;
    const { dataDir } = this.deps.paths;
    for (const path of SIGNS.map((name) => join(dataDir, name)))
      if ((await files.list(dirname(path))).includes(basename(path))) return true;
    // A disk of its own for volumes outlives instances: nothing ever deletes what is mounted there.
    const storage = join(dataDir, 'storage');
    const volumes = (await files.list(storage)).some((name) => name.startsWith('pvc-'));
    return volumes && (await mountsAt(files, storage)).length === 0;
  }

  private async setAside(): Promise<void> {
    const { services, ports, paths } = this.deps;
    for (const name of ['k3s', 'k3s-agent']) await services.stop(name);
    await ports.files.move(paths.dataDir, await this.place());
    await ports.files.remove(paths.kubeconfig);
  }

  /** Nothing is deleted but what this instance set aside before, and that only without volumes: an operator may want them. */
  private async place(): Promise<string> {
    const { files } = this.deps.ports;
    const { dataDir, root } = this.deps.paths;
    const aside = `${dataDir}.set-aside`;
    const taken = async (path: string) => (await files.list(dirname(path))).includes(basename(path));
    if (!(await taken(aside))) return aside;
    const mark = (await files.read(join(aside, DATA_MARK)))?.toString('utf8').trim();
    const isOurs = this.isKnown(mark) && (await files.list(join(aside, 'storage'))).length === 0;
    if (isOurs && (await removeAround(files, root, aside, DATA_MARK)).length === 0 && !(await taken(aside)))
      return aside;
    for (let number = 2; ; number++) if (!(await taken(`${aside}-${number}`))) return `${aside}-${number}`;
  }
}

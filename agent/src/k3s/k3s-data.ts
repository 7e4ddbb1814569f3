import { join } from 'node:path';
import type { AgentPorts } from '../ports.js';
import type { ServiceManager } from '../services/service-manager.js';
import type { K3sPaths } from './paths.js';
import type { PhaseState, PhaseStore } from './phase-state.js';
import type { K3sSpec } from './render.js';
import type { Local } from './standing.js';
import { FOREIGN, standing } from './standing.js';

/** In K3s's folder. */
export const DATA_MARK = 'drover-data';

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

/** The state after a stop: the data stay, for the case that the same cluster goes on here. */
export const stoppedState = ({ life, dataId, dataCluster, joined, bootstrapped }: PhaseState): PhaseState => ({
  ...fresh(life),
  dataId,
  dataCluster,
  joined,
  bootstrapped,
  stopped: true,
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
    const kept = same ? { dataId, dataCluster, joined, bootstrapped, clusterId: dataCluster } : {};
    return phases.set(spec.assignment_id, { ...fresh(old.life + 1), ...kept });
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
        state = await phases.set(spec.assignment_id, { ...fresh(state.life + 1), ...kept });
      }
      const { dataCluster: cluster, joined, bootstrapped } = state;
      const found = standing(spec, { data, cluster, joined, bootstrapped });
      if (found.kind === 'refuse') throw new Error(`${this.deps.paths.dataDir}: ${found.why}`);
      if (found.kind === 'start') return found.as;
      ports.log.warn({ assignment: spec.assignment_id, why: found.why }, 'k3s data are set aside');
      await this.setAside();
      await phases.set(spec.assignment_id, { ...fresh(state.life + 1), installing: true });
    }
  }

  /** The platform has another cluster's CA on record: what is here is set aside, and this server will join. */
  async yieldTo(spec: K3sSpec): Promise<void> {
    const { phases, ports } = this.deps;
    const { life } = phases.get(spec.assignment_id);
    ports.log.warn({ assignment: spec.assignment_id }, 'the cluster exists; what was begun here is set aside');
    await this.setAside();
    await phases.set(spec.assignment_id, { ...fresh(life + 1), installing: true, bootstrapped: true });
  }

  /** A restore takes the folder over; what an operator's own K3s has there is not ours to write over. */
  async mayTakeOver(assignmentId: string): Promise<void> {
    if ((await this.look(this.deps.phases.get(assignmentId))) !== 'foreign') return;
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

  private async look(state: PhaseState): Promise<Local['data']> {
    const { ports, paths } = this.deps;
    const there = [paths.serverCa, paths.nodeToken].map((path) => ports.files.read(path));
    if ((await Promise.all(there)).every((file) => file === undefined)) return 'none';
    const mark = await this.marked();
    // An agent from before the mark began what is there.
    if (mark === undefined && state.dataId === '' && state.started !== '') return 'ours';
    if (mark === undefined) return state.dataId === '' ? 'foreign' : 'former';
    return mark === state.dataId ? 'ours' : 'former';
  }

  /** Nothing is deleted but what was set aside before: an operator may want to look at it. */
  private async setAside(): Promise<void> {
    const { services, ports, paths } = this.deps;
    for (const name of ['k3s', 'k3s-agent']) await services.stop(name);
    const aside = `${paths.dataDir}.set-aside`;
    await ports.files.removeTree(aside);
    await ports.files.move(paths.dataDir, aside);
    await ports.files.remove(paths.kubeconfig);
  }
}

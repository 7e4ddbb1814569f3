import { standing, type Told } from '../../agent/src/k3s/standing.js';
import { clusterDecider, type ClusterCommand } from '../../libs/kubernetes/src/domain/cluster/decide.js';
import type { Cluster, ClusterEvent, ClusterState } from '../../libs/kubernetes/src/domain/cluster/state.js';

const CLUSTER = 'cluster-00000000-0000-4000-8000-000000000001';

/** A machine with its disk, its agent's files and the K3s that the agent runs. */
export interface Server {
  readonly id: string;
  up: boolean;
  /** What is in K3s's folder: the etcd cluster that the data are of, and the mark. */
  data: { etcd: string; mark: string } | undefined;
  /** The agent's own file. */
  phases: { dataId: string; joined: boolean; bootstrapped: boolean; ready: boolean };
  /** What the platform told it last; it survives a restart, so it may be old. */
  told: Told | undefined;
}

const fresh = () => ({ dataId: '', joined: false, bootstrapped: false, ready: false });

/** Servers of one assignment and the platform's decisions, with everything between them that can go wrong. */
export class World {
  state: ClusterState = clusterDecider.initial;
  readonly events: ClusterEvent[] = [];
  readonly servers: Server[];
  private made = 0;

  constructor(count: number) {
    this.servers = Array.from({ length: count }, (_, i) => ({
      id: `instance-00000000-0000-4000-8000-00000000000${i}`,
      up: true,
      data: undefined,
      phases: fresh(),
      told: undefined,
    }));
  }

  get cluster(): Cluster | undefined {
    return this.state.status === 'absent' ? undefined : this.state;
  }

  claim(server: Server): void {
    const ids = {
      assignment_id: '00000000-0000-4000-8000-0000000000aa',
      template_id: 'template-00000000-0000-4000-8000-000000000001' as never,
    };
    const vip = {
      network_id: null,
      virtual_ip_id: null,
      vip: 'fd00::100',
      cni_plugin: 'flannel',
      pod_cidr: null,
    } as const;
    const claim = { cluster_id: CLUSTER, name: 'c', claimant_instance_id: server.id as never, ...ids, ...vip } as const;
    this.apply({ type: 'claim', claim, ignoredPodPrefix: null });
  }

  /** The claimant is lost or gone, and another server is there. */
  moveClaim(to: Server): void {
    const from = this.servers.find(({ id }) => id === this.cluster?.claimant);
    if (from === undefined || from.up || !to.up) return;
    this.apply({ type: 'move_claim', from: from.id, to: to.id, reason: 'lost' });
  }

  tell(server: Server): void {
    const { cluster } = this;
    if (!server.up || cluster === undefined) return;
    const role = cluster.claimant === server.id ? 'init' : 'join';
    server.told = { role, cluster_id: cluster.id, bootstrapped: cluster.kubeconfigDigest !== null };
  }

  /** One round of the agent, which dies after so many of its steps. */
  round(server: Server, steps: number): void {
    if (!server.up || server.told === undefined) return;
    for (const step of this.steps(server, server.told)) {
      if (steps-- <= 0) return;
      if (step() === 'stop') return;
    }
  }

  private *steps(server: Server, told: Told): Generator<() => 'stop' | void> {
    const { phases } = server;
    if (server.data === undefined && phases.ready) server.phases = { ...fresh(), bootstrapped: phases.bootstrapped };
    const found = standing(told, {
      data: this.look(server),
      cluster: server.phases.dataId === '' ? '' : CLUSTER,
      joined: server.phases.joined,
      bootstrapped: server.phases.bootstrapped,
    });
    if (found.kind === 'refuse') throw new Error('these are nobody else’s machines');
    if (found.kind === 'set_aside') {
      server.data = undefined;
      yield () => void (server.phases = fresh());
      return;
    }
    if (found.as === 'join' && !server.phases.joined) yield () => this.askToJoin(server);
    yield () => void (server.phases.dataId ||= `mark-${++this.made}`);
    if (server.data === undefined) yield () => this.start(server, found.as);
    if (found.as === 'init' && !server.phases.bootstrapped) {
      let taken = false;
      yield () => {
        taken = this.bootstrap(server);
        if (!taken) this.refused(server);
        return taken ? undefined : 'stop';
      };
      yield () => void (server.phases.bootstrapped = true);
    }
    yield () =>
      this.apply({ type: 'ready', instanceId: server.id, role: 'server', version: 'v1', nodeName: 'n' })
        ? undefined
        : 'stop';
    yield () => void (server.phases.ready = true);
  }

  private look({ data, phases }: Server): 'none' | 'ours' | 'former' {
    if (data === undefined) return 'none';
    return data.mark === phases.dataId ? 'ours' : 'former';
  }

  private askToJoin(server: Server): 'stop' | void {
    if (this.cluster?.apiEndpoint == null) return 'stop';
    if (!this.apply({ type: 'request_join', instanceId: server.id, role: 'server', target: null })) return 'stop';
    server.phases.joined = true;
  }

  /** What K3s does with an empty folder: --cluster-init makes a cluster, --server copies that of the one that answers. */
  private start(server: Server, as: 'init' | 'join'): 'stop' | void {
    const mark = server.phases.dataId;
    if (as === 'init') {
      server.data = { etcd: `etcd-${++this.made}`, mark };
      return;
    }
    const holder = this.servers.find(
      (other) => other !== server && other.up && other.data?.etcd === this.cluster?.kubeconfigDigest,
    );
    if (holder === undefined) return 'stop';
    server.data = { etcd: holder.data!.etcd, mark };
  }

  /** bootstrap_conflict: the cluster exists, and what is here is not of it. */
  private refused(server: Server): void {
    if (this.cluster?.kubeconfigDigest == null) return;
    server.data = undefined;
    server.phases = { ...fresh(), bootstrapped: true };
  }

  private bootstrap(server: Server): boolean {
    const etcd = server.data!.etcd;
    const refs = { kubeconfigRef: 'r', kubeconfigDigest: etcd, serverTokenRef: 't', caPem: etcd, version: 'v1' };
    if (!this.apply({ type: 'bootstrap', instanceId: server.id, ...refs })) return false;
    return this.apply({ type: 'mark_bootstrapped', apiEndpoint: 'https://[fd00::100]:6443', failover: 'vip' });
  }

  private apply(command: ClusterCommand): boolean {
    const decided = clusterDecider.decide(command, this.state);
    if (decided.kind === 'reject') return false;
    if (decided.kind !== 'accept') return true;
    this.events.push(...decided.events);
    this.state = decided.events.reduce((state, event) => clusterDecider.evolve(state, event), this.state);
    return true;
  }
}

import type { EventOf, PeerId, Timers } from '#kernel';
import type { RecordedEvent } from '#event-store';
import type { fleetEvents } from '#fleet';
import { withPodCidr, type sdwanEvents } from '#sdwan';
import { foldLeaving } from './leaving.js';
import { absent, evolveCluster, type Cluster, type ClusterEvent } from '../domain/cluster/state.js';

export interface AssignedModule {
  readonly assignmentId: string;
  readonly templateId: string;
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly priority: number;
}

export interface KnownInstance {
  readonly id: string;
  readonly accountId: string;
  readonly name: string;
  readonly cniPlugin: 'flannel' | 'ovn_kubernetes' | null;
  readonly memoryBytes: number | null;
  readonly online: boolean;
  /** Since when it is online or not. */
  readonly presenceSince: string | null;
  /** Why its runtime could not be brought up, or its join was refused; null once that is over. */
  readonly problem: string | null;
  readonly modules: ReadonlyMap<string, AssignedModule>;
}

export interface KnownPeer {
  readonly peerId: PeerId;
  readonly networkId: string;
  readonly addressV6: string;
  readonly addressV4: string;
  readonly podCidrs: readonly string[];
}

export interface KnownNetwork {
  readonly id: string;
  readonly handle: string;
  readonly podSubnetPrefix: string | null;
}

type KnownEvent = EventOf<(typeof fleetEvents)[number]> | EventOf<(typeof sdwanEvents)[number]> | ClusterEvent;

/**
 * What the handshake needs to know, folded from the log in memory. It is fed by the same feed that makes the agents' desired
 * state, so it has seen at least what an agent was told.
 */
export class KubernetesDirectory {
  readonly instances = new Map<string, KnownInstance>();
  readonly peers = new Map<string, KnownPeer[]>();
  readonly networks = new Map<string, KnownNetwork>();
  readonly clusters = new Map<string, Cluster & { readonly accountId: string }>();
  /** Assignments whose runtime must stop until an operator assigns again. */
  readonly suspended = new Set<string>();

  /** `cluster name` of every node there ever was: K3s may hold something against whoever comes under a name again. */
  readonly namesEver = new Set<string>();
  /** Instances that are being drained. */
  readonly draining = new Set<string>();
  /** Instances whose end was asked for and waits for their drain. */
  readonly leaving = new Set<string>();

  private readonly watchers = new Set<() => void>();

  /** Folds one event; answers the instances for which something may have changed. */
  apply(recorded: RecordedEvent): readonly string[] {
    foldLeaving(this, recorded);
    const changed = this.fold(recorded);
    for (const look of this.watchers) look();
    return changed;
  }

  /**
   * Resolves with what `look` answers as soon as that is not undefined, or with undefined after `boundMs`. Another
   * subscriber of the feed may act on an event a moment before it is folded here.
   */
  until<T>(look: () => T | undefined, timers: Timers, boundMs: number): Promise<T | undefined> {
    return new Promise((resolve) => {
      const settle = (value: T | undefined) => {
        cancel();
        this.watchers.delete(check);
        resolve(value);
      };
      const check = () => {
        const value = look();
        if (value !== undefined) settle(value);
      };
      const cancel = timers.after(boundMs, () => settle(undefined));
      this.watchers.add(check);
      check();
    });
  }

  private fold(recorded: RecordedEvent): readonly string[] {
    const event = { type: recorded.type, data: recorded.data } as unknown as KnownEvent;
    switch (event.type) {
      case 'system.instance.created':
        this.instances.set(event.data.instance_id, {
          id: event.data.instance_id,
          accountId: recorded.meta.accountId,
          name: event.data.name,
          cniPlugin: event.data.cni_plugin,
          memoryBytes: null,
          online: false,
          presenceSince: recorded.meta.occurredAt,
          problem: null,
          modules: new Map(),
        });
        return [event.data.instance_id];
      case 'system.instance.online':
      case 'system.instance.returned':
        return this.instance(event.data.instance_id, {
          memoryBytes: event.data.memory_bytes,
          online: true,
          presenceSince: recorded.meta.occurredAt,
        });
      case 'system.instance.lost':
        return this.instance(event.data.instance_id, { online: false, presenceSince: recorded.meta.occurredAt });
      case 'system.instance.terminated':
      case 'system.instance.forgotten':
        this.instances.delete(event.data.instance_id);
        this.peers.delete(event.data.instance_id);
        return [event.data.instance_id];
      case 'system.k3s.module.assigned':
      case 'system.docker.module.assigned':
      case 'system.module.assigned':
        return this.assign(event.data.instance_id, {
          assignmentId: event.data.assignment_id,
          templateId: event.data.template_id,
          name: event.data.module_name,
          config: event.data.config,
          priority: event.data.priority,
        });
      case 'system.module.removed':
        return this.unassign(event.data.instance_id, event.data.assignment_id);
      case 'system.template.assignment_suspended':
        this.suspended.add(event.data.assignment_id);
        return this.withAssignment(event.data.assignment_id);
      case 'system.template.module_assigned':
        return this.suspended.delete(event.data.assignment_id) ? this.withAssignment(event.data.assignment_id) : [];
      default:
        return this.applyNetworking(event, recorded);
    }
  }

  peerOf(instanceId: string, networkId?: string | null): KnownPeer | undefined {
    const peers = this.peers.get(instanceId) ?? [];
    return networkId === undefined || networkId === null ? peers[0] : peers.find((p) => p.networkId === networkId);
  }

  /** The living cluster that was born from an assignment. */
  clusterOfAssignment(assignmentId: string): (Cluster & { readonly accountId: string }) | undefined {
    return [...this.clusters.values()].find((c) => c.assignmentId === assignmentId && c.status !== 'decommissioned');
  }

  clustersOf(accountId: string): (Cluster & { readonly accountId: string })[] {
    return [...this.clusters.values()].filter((c) => c.accountId === accountId && c.status !== 'decommissioned');
  }

  /** The living cluster that an instance is or is becoming a member of. */
  clusterOfMember(instanceId: string): (Cluster & { readonly accountId: string }) | undefined {
    return [...this.clusters.values()].find(
      (c) => c.status !== 'decommissioned' && (c.claimant === instanceId || c.nodes.has(instanceId)),
    );
  }

  /** What an operator should know before this instance is drained. */
  drainWarnings(instanceId: string): string[] {
    const cluster = this.clusterOfMember(instanceId);
    if (cluster?.nodes.get(instanceId)?.role !== 'server') return [];
    const others = [...cluster.nodes].some(
      ([id, n]) => id !== instanceId && n.role === 'server' && n.status === 'ready',
    );
    return others ? [] : ['outage_expected'];
  }

  private applyNetworking(event: KnownEvent, recorded: RecordedEvent): readonly string[] {
    switch (event.type) {
      case 'system.sdwan.network.created':
        this.networks.set(event.data.network_id, {
          id: event.data.network_id,
          handle: event.data.handle,
          podSubnetPrefix: event.data.pod_subnet_prefix,
        });
        return [];
      case 'system.sdwan.network.updated': {
        const network = this.networks.get(event.data.network_id);
        if (network !== undefined && event.data.pod_subnet_prefix !== undefined) {
          this.networks.set(network.id, { ...network, podSubnetPrefix: event.data.pod_subnet_prefix });
        }
        return this.instancesOn(event.data.network_id);
      }
      case 'system.sdwan.peer.attached': {
        if (event.data.instance_id === null) return [];
        const { peer_id, network_id, address_v6, address_v4, instance_id } = event.data;
        const others = (this.peers.get(instance_id) ?? []).filter((p) => p.peerId !== peer_id);
        const addresses = { addressV6: address_v6, addressV4: address_v4 };
        const peer: KnownPeer = { peerId: peer_id, networkId: network_id, ...addresses, podCidrs: [] };
        this.peers.set(instance_id, [...others, peer]);
        return [instance_id];
      }
      case 'system.sdwan.peer.pod_cidr_assigned':
        return this.podRange(event.data.peer_id, (known) => withPodCidr(known, event.data.pod_cidr));
      case 'system.sdwan.peer.pod_cidr_unassigned':
        return this.podRange(event.data.peer_id, (known) => known.filter((cidr) => cidr !== event.data.pod_cidr));
      case 'system.sdwan.peer.detached':
        return this.detach(event.data.peer_id);
      case 'system.module.failed':
        return this.troubled(event.data.instance_id, `${event.data.module_name}: ${event.data.reason}`);
      case 'system.k3s.handshake.join_refused':
        return this.troubled(event.data.instance_id, `${event.data.code}: ${event.data.message}`);
      case 'system.k3s.runtime.installing':
        return this.troubled(event.data.instance_id, null);
      default:
        return this.applyCluster(event as ClusterEvent, recorded);
    }
  }

  private applyCluster(event: ClusterEvent, recorded: RecordedEvent): readonly string[] {
    // Events of other streams may carry a cluster id as well (virtual IPs do); those are about something else.
    if (!('cluster_id' in event.data) || recorded.stream !== event.data.cluster_id) return [];
    const known = this.clusters.get(event.data.cluster_id);
    const { type: is, data } = event;
    if (is === 'system.k3s.handshake.ready') this.namesEver.add(`${data.cluster_id} ${data.node_name}`);
    if (is === 'system.k3s.handshake.ready' || is === 'system.k3s.node.ready') this.troubled(data.instance_id, null);
    const next = evolveCluster(known ?? absent, event, recorded.meta.occurredAt);
    if (next.status === 'absent') return [];
    this.clusters.set(next.id, { ...next, accountId: known?.accountId ?? recorded.meta.accountId });
    return [
      ...new Set([
        next.claimant,
        ...next.nodes.keys(),
        ...(known?.nodes.keys() ?? []),
        ...this.withAssignment(next.assignmentId),
      ]),
    ];
  }

  /** Nothing that a node's modules depend on. */
  troubled(id: string, problem: string | null): readonly string[] {
    this.instance(id, { problem });
    return [];
  }

  private instance(id: string, change: Partial<KnownInstance>): readonly string[] {
    const known = this.instances.get(id);
    if (known !== undefined) this.instances.set(id, { ...known, ...change });
    return known === undefined ? [] : [id];
  }

  private assign(id: string, module: AssignedModule): readonly string[] {
    const known = this.instances.get(id);
    return known === undefined
      ? []
      : this.instance(id, { modules: new Map(known.modules).set(module.assignmentId, module) });
  }

  private unassign(id: string, assignmentId: string): readonly string[] {
    const known = this.instances.get(id);
    if (known === undefined) return [];
    return this.instance(id, { modules: new Map([...known.modules].filter(([key]) => key !== assignmentId)) });
  }

  private withAssignment(assignmentId: string): string[] {
    return [...this.instances.values()].filter((i) => i.modules.has(assignmentId)).map((i) => i.id);
  }

  private instancesOn(networkId: string): string[] {
    return [...this.peers].filter(([, peers]) => peers.some((p) => p.networkId === networkId)).map(([id]) => id);
  }

  /** Nothing that a node's modules depend on. */
  private podRange(peerId: string, change: (known: readonly string[]) => readonly string[]): readonly string[] {
    for (const [id, peers] of this.peers) {
      const at = peers.findIndex((p) => p.peerId === peerId);
      if (at < 0) continue;
      const peer = peers[at]!;
      this.peers.set(id, peers.with(at, { ...peer, podCidrs: change(peer.podCidrs) }));
    }
    return [];
  }

  private detach(peerId: string): readonly string[] {
    for (const [id, peers] of this.peers) {
      if (!peers.some((p) => p.peerId === peerId)) continue;
      this.peers.set(
        id,
        peers.filter((p) => p.peerId !== peerId),
      );
      return [id];
    }
    return [];
  }
}

import type { RecordedEvent } from '#event-store';
import type { DesiredStateSource } from '#agent-gateway';
import {
  compileDirect,
  compileInterface,
  compileNetwork,
  compilePeers,
  compileRoutes,
  seesEverybody,
  type PeerItems,
} from '../domain/wireguard-compiler/compile.js';
import { compileBgp, planBgp, type BgpPlan } from '../domain/ibgp/compile.js';
import { compileFirewall } from '../domain/wireguard-compiler/firewall.js';
import { compileVips } from '../domain/wireguard-compiler/virtual-ips.js';
import type {
  CompiledNetwork,
  CompiledPeer,
  LeaseTimes,
  NetworkView,
  PeerView,
} from '../domain/wireguard-compiler/model.js';
import type { LiveVirtualIp } from '../domain/virtual-ip/state.js';
import { NetworkGenerationSettled } from '../domain/events.js';
import { NetworkGenerations } from './network-generations.js';
import { SharedSection } from './shared-section.js';
import { foldEvent, type FoldedState, type InstanceFacts, type MutableNetwork } from './model-fold.js';

/**
 * The overlay as the log tells it, folded in memory: what every node's network sections are compiled from, and what the
 * failover coordinator looks at. One event touches one network; only that network's compiled sections are thrown away.
 */
export class SdwanModel implements DesiredStateSource, FoldedState {
  readonly name = 'sdwan';
  readonly networks = new Map<string, MutableNetwork>();
  readonly instances = new Map<string, InstanceFacts>();
  readonly networkOfPeer = new Map<string, string>();
  readonly networkOfVip = new Map<string, string>();
  readonly peersOfInstance = new Map<string, Set<string>>();
  readonly generations = new NetworkGenerations();
  position = 0n;
  private readonly listeners = new Set<(event: RecordedEvent) => void>();
  private readonly commons = new WeakMap<object, Common>();
  private readonly peerItems = new WeakMap<PeerView, CompiledPeer>();

  constructor(private readonly lease: LeaseTimes) {}

  apply(event: RecordedEvent): Iterable<string> {
    if (event.position <= this.position) return [];
    const before = networksOf(this, event);
    const dirty = [...foldEvent(this, event)];
    this.position = event.position;
    this.count(event, before, dirty);
    for (const listener of this.listeners) listener(event);
    return dirty;
  }

  /** Networks change in place, what they hold does not. */
  adopt(other: SdwanModel): void {
    for (const [id, network] of other.networks) {
      const { peers, virtualIps, firewall } = network;
      const own = { peers: new Map(peers), virtualIps: new Map(virtualIps), firewall: new Map(firewall) };
      this.networks.set(id, { ...network, ...own });
    }
    for (const [id, facts] of other.instances) this.instances.set(id, facts);
    for (const [peerId, networkId] of other.networkOfPeer) this.networkOfPeer.set(peerId, networkId);
    for (const [vipId, networkId] of other.networkOfVip) this.networkOfVip.set(vipId, networkId);
    for (const [id, peers] of other.peersOfInstance) this.peersOfInstance.set(id, new Set(peers));
    this.generations.adopt(other.generations);
    this.position = other.position;
  }

  /** What is about a network of its own, and what happens to its nodes where that changes what anybody is told. */
  private count(event: RecordedEvent, before: readonly string[], dirty: readonly string[]): void {
    const isOwn = event.type.startsWith('system.sdwan.');
    if (event.type === NetworkGenerationSettled.type || (!isOwn && dirty.length === 0)) return;
    for (const id of new Set([...before, ...networksOf(this, event)])) {
      if (this.networks.has(id)) this.generations.changed(id, event.position);
      else this.generations.forget(id);
    }
  }

  /** Called after each folded event. Must not throw. */
  onEvent(listener: (event: RecordedEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  compile(instanceId: string): ReadonlyMap<string, ReadonlyMap<string, unknown>> {
    const result = new Map<string, ReadonlyMap<string, unknown>>();
    for (const peerId of this.peersOfInstance.get(instanceId) ?? []) {
      const network = this.networkFor(peerId);
      if (network !== undefined) result.set(`network/${network.networkId}`, this.section(network, peerId));
    }
    return result;
  }

  compilePeer(peerId: string): { readonly network: NetworkView; readonly compiled: CompiledNetwork } | undefined {
    const network = this.networkFor(peerId);
    const peer = network?.peers.get(peerId);
    if (network === undefined || peer === undefined) return undefined;
    return { network, compiled: compileNetwork(network, peer, this.lease, this.items) };
  }

  peer(peerId: string): PeerView | undefined {
    return this.networkFor(peerId)?.peers.get(peerId);
  }

  virtualIp(vipId: string): { readonly network: MutableNetwork; readonly vip: LiveVirtualIp } | undefined {
    const network = this.networks.get(this.networkOfVip.get(vipId) ?? '');
    const vip = network?.virtualIps.get(vipId);
    return network === undefined || vip === undefined ? undefined : { network, vip };
  }

  *virtualIps(): Iterable<LiveVirtualIp> {
    for (const network of this.networks.values()) yield* network.virtualIps.values();
  }

  networkFor(peerId: string): MutableNetwork | undefined {
    return this.networks.get(this.networkOfPeer.get(peerId) ?? '');
  }

  private section(network: MutableNetwork, peerId: string): ReadonlyMap<string, unknown> {
    const self = network.peers.get(peerId)!;
    const everybody = seesEverybody(network, self);
    const own = new Map<string, unknown>([['interface', compileInterface(network, self)]]);
    if (!everybody) for (const peer of compilePeers(network, self, this.items)) own.set(`peer/${peer.peer_id}`, peer);
    for (const route of compileRoutes(network))
      own.set(`route/${route.prefix}`, this.shared(network, `route/${route.prefix}`, route));
    for (const rule of compileFirewall(network)) {
      const key = `firewall/${rule.rule_id}`;
      own.set(key, this.shared(network, key, rule));
    }
    for (const vip of compileVips(network, self, this.lease)) {
      const key = `vip/${vip.vip_id}`;
      own.set(key, vip.role === 'member' ? this.shared(network, `${key} by ${vip.route_peer_id}`, vip) : vip);
    }
    const bgp = compileBgp(network, self, () => (this.common(network).bgp ??= planBgp(network)));
    if (bgp !== undefined) own.set('bgp', bgp);
    return everybody ? new SharedSection(this.commonItems(network), `peer/${peerId}`, own) : own;
  }

  /** The peers as everybody sees them who sees all of them: made once a revision. */
  private commonItems(network: MutableNetwork): Map<string, unknown> {
    const common = this.common(network);
    if (common.peers.size > 0) return common.peers;
    for (const peer of compileDirect(network, undefined, this.items)) common.peers.set(`peer/${peer.peer_id}`, peer);
    return common.peers;
  }

  /** The first of several equal items stands for all of them. */
  private shared<T extends object>(network: MutableNetwork, key: string, made: T): T {
    const { others } = this.common(network);
    const known = others.get(key) as T | undefined;
    if (known !== undefined) return known;
    others.set(key, Object.freeze(made));
    return made;
  }

  private common(network: MutableNetwork): Common {
    let common = this.commons.get(network);
    if (common === undefined || common.revision !== network.revision)
      this.commons.set(network, (common = { revision: network.revision, peers: new Map(), others: new Map() }));
    return common;
  }

  /** A peer view is replaced when the peer changes, so it can key its own item. Frozen: the gateway encodes it once. */
  private readonly items: PeerItems = (peer, make) => {
    let item = this.peerItems.get(peer);
    if (item === undefined) this.peerItems.set(peer, (item = Object.freeze(make())));
    return item;
  };
}

/** The networks that an event is about, as far as they are known now: a detached peer's is known before only. */
export const networksOf = (model: FoldedState, { data, meta }: RecordedEvent): string[] => {
  const { network_id, peer_id, virtual_ip_id, instance_id } = data as Readonly<Record<string, string | undefined>>;
  const own =
    network_id ??
    meta.links.network ??
    model.networkOfPeer.get(peer_id ?? '') ??
    model.networkOfVip.get(virtual_ip_id ?? '');
  if (own !== undefined) return [own];
  const peers = model.peersOfInstance.get(instance_id ?? '') ?? [];
  return [...peers].flatMap((id) => model.networkOfPeer.get(id) ?? []);
};

/** What nodes of one network share at one revision. */
interface Common {
  readonly revision: number;
  readonly peers: Map<string, unknown>;
  readonly others: Map<string, object>;
  bgp?: BgpPlan;
}

import type { RecordedEvent } from '#event-store';
import type { DesiredStateSource } from '#agent-gateway';
import { compileNetwork } from '../domain/wireguard-compiler/compile.js';
import type {
  CompiledNetwork,
  CompiledPeer,
  LeaseTimes,
  NetworkView,
  PeerView,
} from '../domain/wireguard-compiler/model.js';
import type { LiveVirtualIp } from '../domain/virtual-ip/state.js';
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
  position = 0n;
  private readonly listeners = new Set<(event: RecordedEvent) => void>();
  private readonly sections = new Map<string, { revision: number; section: ReadonlyMap<string, unknown> }>();
  private readonly peerItems = new WeakMap<PeerView, CompiledPeer>();

  constructor(private readonly lease: LeaseTimes) {}

  apply(event: RecordedEvent): Iterable<string> {
    if (event.position <= this.position) return [];
    const dirty = foldEvent(this, event);
    this.position = event.position;
    for (const listener of this.listeners) listener(event);
    return dirty;
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
    return { network, compiled: compileNetwork(network, peer, this.lease, (p, make) => this.peerItem(p, make)) };
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
    const cached = this.sections.get(peerId);
    if (cached?.revision === network.revision) return cached.section;
    const { compiled } = this.compilePeer(peerId)!;
    const section = new Map<string, unknown>([['interface', compiled.interface]]);
    for (const peer of compiled.peers) section.set(`peer/${peer.peer_id}`, peer);
    for (const route of compiled.routes) section.set(`route/${route.prefix}`, route);
    for (const vip of compiled.vips) section.set(`vip/${vip.vip_id}`, vip);
    this.sections.set(peerId, { revision: network.revision, section });
    return section;
  }

  /** A peer view is replaced when the peer changes, so it can key its own item. */
  private peerItem(peer: PeerView, make: () => CompiledPeer): CompiledPeer {
    let item = this.peerItems.get(peer);
    if (item === undefined) this.peerItems.set(peer, (item = make()));
    return item;
  }
}

import { sha256Hex, canonicalJson } from '#kernel';
import { assignmentFor } from '../domain/wireguard-compiler/virtual-ips.js';
import { hostCidr } from '../domain/ip.js';
import type { LiveVirtualIp, Member } from '../domain/virtual-ip/state.js';
import type { NetworkView } from '../domain/wireguard-compiler/model.js';
import type { SdwanModel } from './sdwan-model.js';

/** The whole configuration of a device, except for its private key, which only the device has. */
export interface DeviceConfig {
  readonly interface: {
    readonly name: string;
    readonly addresses: readonly string[];
    readonly listen_port: number;
    readonly mtu: number;
  };
  readonly peers: readonly {
    readonly peer_id: string;
    readonly public_key: string;
    readonly endpoints: readonly string[];
    /** A virtual IP's /128 stands under its holder and nowhere else. */
    readonly allowed_ips: readonly string[];
    readonly persistent_keepalive: number;
  }[];
  readonly routes: readonly { readonly prefix: string; readonly kind: 'device' | 'unreachable' }[];
  readonly vips: readonly {
    readonly id: string;
    readonly name: string;
    readonly address: string;
    readonly epoch: number;
    readonly peer_id: string | null;
  }[];
  readonly hash: string;
}

/**
 * Devices have no agent and so no priority lane; they follow this feed. The moment a new holder has acknowledged a virtual
 * IP, devices are sent there, before the move stands in the log.
 */
export class DeviceFeed {
  private readonly ahead = new Map<string, { epoch: number; holder: Member }>();
  private readonly waiting = new Map<string, Set<() => void>>();

  constructor(private readonly model: SdwanModel) {
    model.onEvent((event) => {
      if (event.type.startsWith('system.sdwan.') || event.type.startsWith('system.instance.')) this.wake();
    });
  }

  holderReady(vipId: string, epoch: number, holder: Member): void {
    this.ahead.set(vipId, { epoch, holder });
    this.wake();
  }

  config(peerId: string): DeviceConfig | undefined {
    const found = this.model.compilePeer(peerId);
    if (found === undefined) return undefined;
    const { network, compiled } = found;
    const vips = compiled.vips.map((item) => {
      const vip = network.virtualIps.get(item.vip_id)!;
      const { epoch, routeTo } = this.routeOf(network, vip, peerId, item.route_peer_id);
      return { id: item.vip_id, name: vip.name, address: item.address, epoch, peer_id: routeTo };
    });
    const peers = compiled.peers.map(({ instance_id: _, ...peer }) => ({
      ...peer,
      allowed_ips: [
        ...peer.allowed_ips,
        ...vips.filter((vip) => vip.peer_id === peer.peer_id).map((vip) => hostCidr(vip.address)),
      ],
    }));
    const { name, addresses, listen_port, mtu } = compiled.interface;
    const config = { interface: { name, addresses, listen_port, mtu }, peers, routes: compiled.routes, vips };
    return { ...config, hash: sha256Hex(canonicalJson(config)) };
  }

  /** In hub mode the hub stays the way whatever the holder; in a mesh the newest holder that is known to answer. */
  private routeOf(network: NetworkView, vip: LiveVirtualIp, peerId: string, compiledRoute: string | null) {
    const logged = assignmentFor(vip, peerId);
    const ahead = this.ahead.get(vip.virtualIpId);
    if (ahead === undefined || ahead.epoch <= logged.epoch) return { epoch: logged.epoch, routeTo: compiledRoute };
    const direct = compiledRoute === null || compiledRoute === logged.holder?.peer_id;
    const reachable = network.peers.get(ahead.holder.peer_id)?.publicKey != null;
    return { epoch: ahead.epoch, routeTo: direct && reachable ? ahead.holder.peer_id : compiledRoute };
  }

  /** Calls `changed` after anything that may have changed a configuration; spurious calls are possible. */
  subscribe(peerId: string, changed: () => void): () => void {
    const set = this.waiting.get(peerId) ?? new Set();
    this.waiting.set(peerId, set.add(changed));
    return () => {
      set.delete(changed);
      if (set.size === 0) this.waiting.delete(peerId);
    };
  }

  private wake(): void {
    for (const set of this.waiting.values()) for (const changed of [...set]) changed();
  }
}

import { endpointHost, isV6 } from '../network/cidr.js';
import type { LinkOp, LinkOps } from '../network/link-ops.js';
import type { Reachability } from './reachability.js';
import type { WgChange, WgPeer, WgState, WireGuardDriver } from './driver.js';
import { publicKeyOf } from './keys.js';

interface Iface {
  publicKey: string;
  listenPort: number;
  peers: Map<string, WgPeer>;
}

/**
 * No WireGuard and NO ENCRYPTION: the overlay's addresses sit on the underlay's device and each prefix is a plain route
 * to its peer's underlay address. For namespaces in which an ordinary user gets neither TUN nor a WireGuard module; the
 * agent says so in its log and in its capabilities. Without handshakes, `lastHandshakeMs` is when the peer's underlay
 * address last answered a ping: the path is proven, the peer's identity is not.
 */
export class RouteDriver implements WireGuardDriver {
  readonly kind = 'route';
  readonly sharedDevice = true;
  private readonly interfaces = new Map<string, Iface>();

  constructor(
    private readonly links: LinkOps,
    private readonly underlay: string,
    private readonly reachability: Reachability,
  ) {}

  device(): string {
    return this.underlay;
  }

  async ensure(name: string): Promise<void> {
    if (!this.interfaces.has(name)) this.interfaces.set(name, { publicKey: '', listenPort: 0, peers: new Map() });
  }

  /** Prefixes are read back from the kernel; the rest has no counterpart there. */
  async read(name: string): Promise<WgState | undefined> {
    const iface = this.interfaces.get(name);
    const link = await this.links.read(this.underlay);
    if (iface === undefined || link === undefined) return undefined;
    const peers = [...iface.peers.values()].map((peer) => {
      const gateway = peer.endpoint === undefined ? undefined : endpointHost(peer.endpoint);
      const lastHandshakeMs = gateway === undefined ? 0 : this.reachability.lastAnswerMs(gateway);
      const allowedIps = peer.allowedIps.filter((prefix) => link.routes.get(prefix) === gateway);
      return { ...peer, allowedIps, lastHandshakeMs };
    });
    return { publicKey: iface.publicKey, listenPort: iface.listenPort, peers };
  }

  async write(name: string, change: WgChange): Promise<void> {
    const iface = this.interfaces.get(name);
    if (iface === undefined) throw new Error(`no interface ${name}`);
    if (change.privateKey !== undefined) iface.publicKey = publicKeyOf(change.privateKey);
    if (change.listenPort !== undefined) iface.listenPort = change.listenPort;
    const ops: LinkOp[] = [];
    for (const peer of change.peers) ops.push(...this.one(iface, peer));
    await this.links.apply(ops);
  }

  async remove(name: string): Promise<void> {
    const iface = this.interfaces.get(name);
    this.interfaces.delete(name);
    for (const peer of iface?.peers.values() ?? [])
      await this.links.apply(peer.allowedIps.map((prefix) => ({ op: 'route-del', device: this.underlay, prefix })));
  }

  onLost(): void {
    // The underlay's device does not die.
  }

  private one(iface: Iface, change: WgChange['peers'][number]): LinkOp[] {
    const old = iface.peers.get(change.publicKey);
    const device = this.underlay;
    if (change.remove) {
      iface.peers.delete(change.publicKey);
      return (old?.allowedIps ?? []).map((prefix) => ({ op: 'route-del', device, prefix }));
    }
    const gained = (change.replace ? change.allowedIps : change.add) ?? [];
    for (const [key, peer] of iface.peers)
      if (key !== change.publicKey)
        iface.peers.set(key, { ...peer, allowedIps: peer.allowedIps.filter((p) => !gained.includes(p)) });
    const allowedIps = change.replace ? gained : [...new Set([...(old?.allowedIps ?? []), ...gained])];
    const endpoint = change.endpoint ?? old?.endpoint;
    const lost = (old?.allowedIps ?? []).filter((prefix) => !allowedIps.includes(prefix));
    const { publicKey } = change;
    const keepalive = change.keepalive ?? old?.keepalive ?? 0;
    iface.peers.set(publicKey, { publicKey, endpoint, allowedIps, keepalive, lastHandshakeMs: 0 });
    const adds: LinkOp[] =
      endpoint === undefined ? [] : allowedIps.map((prefix) => route(device, prefix, endpointHost(endpoint)));
    return [...adds, ...lost.map((prefix): LinkOp => ({ op: 'route-del', device, prefix }))];
  }
}

const route = (device: string, prefix: string, via: string): LinkOp => {
  if (isV6(prefix) && !isV6(via)) throw new Error(`${prefix} cannot be routed over the IPv4 underlay address ${via}`);
  return { op: 'route-add', device, prefix, via };
};

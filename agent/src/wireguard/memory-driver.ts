import type { WgChange, WgPeer, WgState, WireGuardDriver } from './driver.js';
import { publicKeyOf } from './keys.js';

interface Iface {
  publicKey: string;
  listenPort: number;
  peers: Map<string, WgPeer>;
}

/** WireGuard's semantics without packets: a prefix belongs to one peer, and giving it to another moves it. */
export class MemoryWireGuardDriver implements WireGuardDriver {
  readonly kind = 'memory';
  readonly sharedDevice = false;
  private readonly interfaces = new Map<string, Iface>();
  private readonly listeners: ((name: string) => void)[] = [];
  /** Every write, for tests. */
  readonly writes: { name: string; change: WgChange }[] = [];

  device(name: string): string {
    return name;
  }

  async ensure(name: string): Promise<void> {
    if (!this.interfaces.has(name)) this.interfaces.set(name, { publicKey: '', listenPort: 0, peers: new Map() });
  }

  async read(name: string): Promise<WgState | undefined> {
    const iface = this.interfaces.get(name);
    return iface && { publicKey: iface.publicKey, listenPort: iface.listenPort, peers: [...iface.peers.values()] };
  }

  async write(name: string, change: WgChange): Promise<void> {
    const iface = this.interfaces.get(name);
    if (iface === undefined) throw new Error(`no interface ${name}`);
    this.writes.push({ name, change });
    if (change.privateKey !== undefined) iface.publicKey = publicKeyOf(change.privateKey);
    if (change.listenPort !== undefined) iface.listenPort = change.listenPort;
    for (const peer of change.peers) {
      if (peer.remove) iface.peers.delete(peer.publicKey);
      else this.merge(iface, peer);
    }
  }

  async remove(name: string): Promise<void> {
    this.interfaces.delete(name);
  }

  onLost(listener: (name: string) => void): void {
    this.listeners.push(listener);
  }

  /** The interface dies as when its process is killed. */
  crash(name: string): void {
    this.interfaces.delete(name);
    for (const listener of this.listeners) listener(name);
  }

  private merge(iface: Iface, change: WgChange['peers'][number]): void {
    const old = iface.peers.get(change.publicKey);
    const gained = (change.replace ? change.allowedIps : change.add) ?? [];
    for (const [key, peer] of iface.peers) {
      if (key === change.publicKey) continue;
      iface.peers.set(key, { ...peer, allowedIps: peer.allowedIps.filter((p) => !gained.includes(p)) });
    }
    const kept = change.replace ? [] : (old?.allowedIps ?? []);
    iface.peers.set(change.publicKey, {
      publicKey: change.publicKey,
      endpoint: change.endpoint ?? old?.endpoint,
      allowedIps: [...new Set([...kept, ...gained])],
      keepalive: change.keepalive ?? old?.keepalive ?? 0,
      lastHandshakeMs: old?.lastHandshakeMs ?? 0,
    });
  }
}

import { canonicalCidr, canonicalPrefix } from './cidr.js';
import type { LinkOp, LinkOps, LinkState } from './link-ops.js';

interface Device {
  up: boolean;
  mtu: number;
  addresses: Map<string, { vip: boolean }>;
  routes: Map<string, string>;
}

/** Addresses and routes without a kernel, for tests and simulations. */
export class MemoryLinkOps implements LinkOps {
  private readonly devices = new Map<string, Device>();
  private readonly blocked = new Set<string>();
  readonly log: LinkOp[] = [];
  readonly killed: { which: 'src' | 'dst'; address: string }[] = [];
  forwarding = false;

  async read(device: string): Promise<LinkState | undefined> {
    const d = this.get(device);
    return { up: d.up, mtu: d.mtu, addresses: [...d.addresses.keys()], routes: new Map(d.routes) };
  }

  async unreachable(): Promise<ReadonlySet<string>> {
    return new Set(this.blocked);
  }

  async apply(ops: readonly LinkOp[]): Promise<void> {
    for (const op of ops) {
      this.log.push(op);
      this.one(op);
    }
  }

  async enableForwarding(): Promise<void> {
    this.forwarding = true;
  }

  async killSockets(which: 'src' | 'dst', address: string): Promise<void> {
    this.killed.push({ which, address });
  }

  async deviceTo(): Promise<string | undefined> {
    return 'mem0';
  }

  /** The device is gone, with all that was on it. */
  crash(device: string): void {
    this.devices.delete(device);
  }

  addresses(device: string): string[] {
    return [...this.get(device).addresses.keys()].sort();
  }

  private one(op: LinkOp): void {
    switch (op.op) {
      case 'up':
        Object.assign(this.get(op.device), { up: true }, op.mtu === undefined ? {} : { mtu: op.mtu });
        return;
      case 'address-add':
        this.get(op.device).addresses.set(canonicalCidr(op.address), { vip: op.vip });
        return;
      case 'address-del':
        this.get(op.device).addresses.delete(canonicalCidr(op.address));
        return;
      case 'route-add':
        this.get(op.device).routes.set(canonicalPrefix(op.prefix), op.via ?? '');
        return;
      case 'route-del':
        this.get(op.device).routes.delete(canonicalPrefix(op.prefix));
        return;
      case 'unreachable-add':
        this.blocked.add(canonicalPrefix(op.prefix));
        return;
      case 'unreachable-del':
        this.blocked.delete(canonicalPrefix(op.prefix));
    }
  }

  private get(name: string): Device {
    const device = this.devices.get(name) ?? { up: false, mtu: 1500, addresses: new Map(), routes: new Map() };
    this.devices.set(name, device);
    return device;
  }
}

import { errorMessage, type Clock, type Log, failpoint } from '#kernel';
import { wgDiff, type DesiredWg } from '../wireguard/diff.js';
import type { WgState, WireGuardDriver } from '../wireguard/driver.js';
import type { ComposedInterface } from './compose.js';
import { EndpointChooser } from './endpoints.js';
import { linkDiff } from './link-diff.js';
import type { LinkOps } from './link-ops.js';

export interface InterfaceKeys {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** Brings one overlay interface to its desired state: read, diff, one write, read back. Callers serialise calls. */
export class InterfaceReconciler {
  private readonly endpoints = new EndpointChooser();

  constructor(
    private readonly driver: WireGuardDriver,
    private readonly links: LinkOps,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Everything: interface, peers, addresses, routes. Answers what could not be brought about. */
  async full(compose: () => ComposedInterface, keys: InterfaceKeys): Promise<string[]> {
    const desired = compose();
    const errors: string[] = [];
    const step = async (name: string, run: () => Promise<unknown>) => {
      try {
        await run();
      } catch (error) {
        errors.push(`${name}: ${errorMessage(error)}`);
      }
    };
    await step('interface', () => this.driver.ensure(desired.name));
    if (errors.length > 0) return errors;
    await step('peers', () => this.peers(desired, keys));
    await step('addresses', () => this.addresses(compose));
    if (desired.forwarding) await step('forwarding', () => this.links.enableForwarding());
    return errors;
  }

  /** Peers and their prefixes only. The answer is the state read back. */
  async peers(desired: ComposedInterface, keys: InterfaceKeys): Promise<WgState> {
    const before = await this.driver.read(desired.name);
    if (before === undefined) throw new Error(`${desired.name} does not exist`);
    const change = wgDiff(this.desiredWg(desired, keys, before), before);
    if (change === undefined) return before;
    await failpoint('agent.peers_writing');
    await this.driver.write(desired.name, change);
    await failpoint('agent.peers_written');
    const after = await this.driver.read(desired.name);
    if (after === undefined) throw new Error(`${desired.name} vanished while it was written`);
    const rest = wgDiff(this.desiredWg(desired, keys, after), after);
    if (rest !== undefined && rest.peers.some((p) => p.remove || p.add !== undefined || p.replace))
      throw new Error(`${rest.peers.length} peers are not as written`);
    this.log.debug({ interface: desired.name, peers: change.peers.length }, 'peers written');
    return after;
  }

  /** `compose` is asked again after the read, because a lease may have run out meanwhile. */
  async addresses(compose: () => ComposedInterface): Promise<void> {
    const device = this.driver.device(compose().name);
    const actual = await this.links.read(device);
    if (actual === undefined) throw new Error(`device ${device} does not exist`);
    const unreachable = await this.links.unreachable();
    await this.links.apply(linkDiff(compose(), device, this.driver.sharedDevice, actual, unreachable));
    await failpoint('agent.addresses_written');
  }

  private desiredWg(desired: ComposedInterface, keys: InterfaceKeys, actual: WgState): DesiredWg {
    const byKey = new Map(actual.peers.map((peer) => [peer.publicKey, peer]));
    const now = this.clock.monotonicMs();
    const wall = this.clock.wallMs();
    return {
      ...keys,
      listenPort: desired.listenPort,
      peers: desired.peers.map((peer) => ({
        publicKey: peer.publicKey,
        allowedIps: peer.allowedIps,
        keepalive: peer.keepalive,
        endpoint: this.endpoints.choose(peer.publicKey, peer.endpoints, byKey.get(peer.publicKey), now, wall),
      })),
    };
  }
}

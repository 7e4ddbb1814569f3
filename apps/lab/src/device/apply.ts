import { networkInterfaces } from 'node:os';
import { run, must } from '../processes.js';
import type { DeviceConfig } from './config.js';

/** Puts a configuration on this machine's kernel; called again with every change. */
export interface Applier {
  apply(config: DeviceConfig): Promise<void>;
}

const host = (endpoint: string): string => endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '');
const hasAddress = (prefix: string): boolean => !prefix.endsWith('/0');

/** wireguard-go (or the kernel's WireGuard) through `wg` and `ip`. Peers move in one write and sessions are kept. */
export class WireGuardApplier implements Applier {
  private known: DeviceConfig | undefined;

  constructor(private readonly privateKeyFile: string) {}

  async apply(config: DeviceConfig): Promise<void> {
    const { name, addresses, listen_port, mtu } = config.interface;
    if (this.known === undefined) {
      await must(['wg', 'set', name, 'listen-port', String(listen_port), 'private-key', this.privateKeyFile]);
      for (const address of addresses)
        await must(['ip', 'addr', 'replace', address, 'dev', name, ...(address.includes(':') ? ['nodad'] : [])]);
      await must(['ip', 'link', 'set', name, 'mtu', String(mtu), 'up']);
    }
    const gone = (this.known?.peers ?? []).filter(
      (old) => !config.peers.some((peer) => peer.public_key === old.public_key),
    );
    const moved = config.peers.filter((peer) => JSON.stringify(peer) !== JSON.stringify(this.before(peer.peer_id)));
    const changes = [
      ...gone.flatMap((peer) => ['peer', peer.public_key, 'remove']),
      // Who loses prefixes first, who gains them last: the last word on a prefix wins.
      ...moved.sort((a, b) => a.allowed_ips.length - b.allowed_ips.length).flatMap((peer) => this.peerArgs(peer)),
    ];
    if (changes.length > 0) await must(['wg', 'set', name, ...changes]);
    // Connections to a VIP that moved have nothing to wait for.
    await resetMoved(this.known, config);
    const standing = new Set(
      this.known === undefined ? [] : routesOf(this.known, name).map((route) => route.join(' ')),
    );
    for (const route of routesOf(config, name)) if (!standing.has(route.join(' '))) await must(route);
    this.known = config;
  }

  private before(peerId: string) {
    return this.known?.peers.find((peer) => peer.peer_id === peerId);
  }

  /** An endpoint is given once: WireGuard follows a peer that roams, and a live session is never steered. */
  private peerArgs(peer: DeviceConfig['peers'][number]): string[] {
    const old = this.before(peer.peer_id);
    const [endpoint] = peer.endpoints;
    const isNew = endpoint !== undefined && JSON.stringify(old?.endpoints) !== JSON.stringify(peer.endpoints);
    return [
      'peer',
      peer.public_key,
      ...(isNew ? ['endpoint', endpoint] : []),
      'persistent-keepalive',
      String(peer.persistent_keepalive),
      'allowed-ips',
      peer.allowed_ips.join(','),
    ];
  }
}

/**
 * No WireGuard here: the same prefixes as plain routes over the underlay. NOT ENCRYPTED. Packets leave with the underlay's
 * address: without handshakes no peer can learn where this device's overlay address is.
 */
export class PlainRouteApplier implements Applier {
  private known: DeviceConfig | undefined;

  constructor(private readonly underlay: string) {}

  async apply(config: DeviceConfig): Promise<void> {
    const overlay = config.interface.addresses;
    for (const address of overlay)
      await must(['ip', 'addr', 'replace', address, 'dev', this.underlay, ...(address.includes(':') ? ['nodad'] : [])]);
    const source = underlayAddress(this.underlay, overlay);
    for (const peer of config.peers) {
      const via = peer.endpoints.map(host).find((address) => address.includes(':'));
      if (via === undefined) continue;
      for (const prefix of peer.allowed_ips.filter((p) => p.includes(':') && hasAddress(p)))
        await must(['ip', 'route', 'replace', prefix, 'via', via, 'dev', this.underlay, 'src', source]);
    }
    await resetMoved(this.known, config);
    this.known = config;
  }
}

const underlayAddress = (device: string, overlay: readonly string[]): string => {
  const own = overlay.map((address) => address.split('/')[0]);
  const found = (networkInterfaces()[device] ?? []).find(
    (a) => a.family === 'IPv6' && !a.address.startsWith('fe80') && !own.includes(a.address),
  );
  if (found === undefined) throw new Error(`${device} has no IPv6 address of the underlay`);
  return found.address;
};

/** A VIP that nobody holds is unreachable, and says so at once. */
const routesOf = (config: DeviceConfig, device: string): string[][] => [
  ...config.routes.map((route) => routeArgs(route, device)),
  ...config.vips.map((vip) => {
    const prefix = `${vip.address}/128`;
    return routeArgs({ prefix, kind: vip.peer_id === null ? 'unreachable' : 'device' }, device);
  }),
];

const routeArgs = (route: DeviceConfig['routes'][number], device: string): string[] =>
  route.kind === 'unreachable'
    ? ['ip', 'route', 'replace', 'unreachable', route.prefix]
    : ['ip', 'route', 'replace', route.prefix, 'dev', device];

/** Open connections to a virtual IP that moved end at once, so that watches reconnect instead of waiting for TCP. */
const resetMoved = async (before: DeviceConfig | undefined, now: DeviceConfig): Promise<void> => {
  for (const vip of now.vips) {
    const old = before?.vips.find((v) => v.id === vip.id);
    if (old !== undefined && old.peer_id !== vip.peer_id) await run(['ss', '-K', 'dst', `[${vip.address}]`]);
  }
};

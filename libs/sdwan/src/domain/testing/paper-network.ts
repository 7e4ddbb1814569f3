import { contains, mustCidr, mustIp, type Ip } from '../ip.js';
import type { Rotation } from '../peer/key-rotation.js';
import type { LiveVirtualIp, Member } from '../virtual-ip/state.js';
import { compileNetwork } from '../wireguard-compiler/compile.js';
import type { CompiledNetwork, NetworkView, PeerView } from '../wireguard-compiler/model.js';

export const LEASE = { beatMs: 200, ttlMs: 600 };
const key = (n: number) => Buffer.alloc(32, n + 1).toString('base64');

export interface Shape {
  readonly peers: readonly {
    hub: boolean;
    keyed: boolean;
    device: boolean;
    pods: boolean;
    silent: boolean;
    endpoint: boolean;
    /** Gateway to two LANs, one of each family. */
    lan: boolean;
    changing: 'requested' | 'ordered' | 'switched' | null;
  }[];
  readonly mode: 'mesh' | 'hub' | 'ibgp' | null;
  readonly podsV6?: boolean;
  readonly vips: readonly { holder: number; moving: number | null }[];
}

const rotationOf = (phase: Shape['peers'][number]['changing'], n: number): Rotation | null => {
  const start = { number: 1, reason: 'operator' as const };
  if (phase === 'requested') return { ...start, phase };
  if (phase === 'ordered') return { ...start, phase, nextKey: key(n + 100) };
  return phase === null ? null : { ...start, phase, previousKey: key(n + 200) };
};

export const build = (s: Shape, subnet = 1): NetworkView => {
  const id = (n: number) => `sdwan_peer-${subnet}-${n}` as const;
  const peers = new Map<string, PeerView>();
  s.peers.forEach((p, n) =>
    peers.set(id(n), {
      peerId: id(n),
      instanceId: p.device ? null : `instance-${subnet}-${n}`,
      kind: p.device ? 'device' : 'node',
      name: `p${n}`,
      addressV6: `fd00:${subnet}::1:${n.toString(16)}`,
      addressV4: `100.64.${16 * subnet}.${16 + n}`,
      publiclyReachable: p.hub && !p.device,
      endpointHost: null,
      endpointPort: null,
      listenPort: 51820,
      publicKey: p.keyed ? key(n) : null,
      keys: { rotation: rotationOf(p.keyed ? p.changing : null, n), rotations: 1, at: 1n, atMs: 0, sinceMs: 0 },
      underlay: p.endpoint ? [`192.0.2.${n + 1}`] : [],
      podCidrs: p.pods && !p.device ? [s.podsV6 ? `fd42:0:0:${n}::/64` : `10.42.${n}.0/24`] : [],
      lanSubnets: p.lan && !p.device ? [`192.168.${n}.0/24`, `fd77:0:0:${n}::/64`] : [],
      lanMasquerade: false,
      tags: [],
      silent: p.silent,
    }),
  );
  const nodes = [...peers.values()].filter((p) => p.instanceId !== null && p.publicKey !== null);
  const member = (n: number) =>
    ({ instance_id: nodes[n % nodes.length]!.instanceId, peer_id: nodes[n % nodes.length]!.peerId }) as Member;
  const virtualIps = new Map<string, LiveVirtualIp>();
  if (nodes.length > 0)
    s.vips.forEach((v, n) => {
      const move =
        v.moving === null
          ? null
          : { epoch: 2, from: member(v.holder), to: member(v.moving), reason: 'drain' as const, failed: false };
      virtualIps.set(`virtual_ip-${n}`, {
        status: move === null ? 'active' : 'moving',
        virtualIpId: `virtual_ip-${n}`,
        networkId: 'n',
        clusterId: null,
        name: `v${n}`,
        purpose: 'x',
        address: `fd00:${subnet}::${(0x100 + n).toString(16)}`,
        candidates: nodes.map((_, i) => member(i)),
        holder: member(v.holder),
        holderEpoch: 1,
        epoch: move === null ? 1 : 2,
        move,
      });
    });
  return {
    networkId: `sdwan_network-${subnet}`,
    name: 'n',
    handle: `abcde${subnet}`,
    cidr64: `fd00:${subnet}::/64`,
    cidrV4: `100.64.${16 * subnet}.0/20`,
    routingMode: s.mode,
    podSubnetPrefix: s.podsV6 ? 'fd42::/56' : '10.42.0.0/16',
    peers,
    virtualIps,
    firewall: new Map(),
  };
};

/** A kernel and WireGuard of one node, written independently of the compiler: longest match out, source check in. */
export class Node {
  constructor(
    readonly self: PeerView,
    readonly c: CompiledNetwork,
  ) {}
  private table(): [string, string][] {
    const vips = this.c.vips
      .filter((v) => v.route_peer_id !== null)
      .map((v): [string, string] => [`${v.address}/128`, v.route_peer_id!]);
    return [...this.c.peers.flatMap((p) => p.allowed_ips.map((a): [string, string] => [a, p.peer_id])), ...vips];
  }
  match(ip: Ip): string | undefined {
    const host = { ...ip, length: ip.family === 4 ? 32 : 128 };
    return this.table()
      .filter(([prefix]) => contains(mustCidr(prefix), host))
      .sort((a, b) => mustCidr(b[0]).length - mustCidr(a[0]).length)[0]?.[1];
  }
  owns(ip: Ip): boolean {
    const mine = [
      this.self.addressV6,
      this.self.addressV4,
      ...this.c.vips.filter((v) => v.role === 'holder').map((v) => v.address),
    ];
    const host = { ...ip, length: ip.family === 4 ? 32 : 128 };
    return (
      mine.some((a) => mustIp(a).family === ip.family && mustIp(a).value === ip.value) ||
      [...this.self.podCidrs, ...this.self.lanSubnets].some((cidr) => contains(mustCidr(cidr), host))
    );
  }
}

export const boot = (network: NetworkView) =>
  new Map([...network.peers.values()].map((p) => [p.peerId, new Node(p, compileNetwork(network, p, LEASE))]));

/** Who answers a packet; undefined when somebody drops it. */
export const walk = (
  nodes: ReadonlyMap<string, Node>,
  from: string,
  source: string,
  target: string,
): string | undefined => {
  let at = nodes.get(from)!;
  for (let hops = 0; hops < 4; hops++) {
    if (at.owns(mustIp(target))) return at.self.peerId;
    if (hops > 0 && !at.c.interface.forwarding) return undefined;
    const next = at.match(mustIp(target));
    if (next === undefined) return undefined;
    const arrived = nodes.get(next);
    if (arrived === undefined) return undefined;
    if (arrived.match(mustIp(source)) !== at.self.peerId) return undefined;
    at = arrived;
  }
  return undefined;
};

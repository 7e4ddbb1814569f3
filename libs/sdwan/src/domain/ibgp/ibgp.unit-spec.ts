import fc from 'fast-check';
import type { LiveVirtualIp, Member } from '../virtual-ip/state.js';
import type { NetworkView, PeerView } from '../wireguard-compiler/model.js';
import { compileBgp, planBgp } from './compile.js';
import { configText } from './config.js';
import { FULL_MESH_MAX, planSessions, REFLECTORS_PER_CLIENT } from './sessions.js';

interface Node {
  readonly hub: boolean;
  readonly silent: boolean;
  readonly routing: 'running' | 'static' | null;
  readonly keyed: boolean;
  readonly device: boolean;
}
const NODE: Node = { hub: false, silent: false, routing: null, keyed: true, device: false };

const build = (nodes: readonly Node[], more: Partial<NetworkView> = {}): NetworkView => {
  const peers = nodes.map((node, n): PeerView => ({
    peerId: `sdwan_peer-${n}`,
    instanceId: node.device ? null : `instance-${n}`,
    kind: node.device ? 'device' : 'node',
    name: `p${n}`,
    addressV6: `fd00:1::1:${(n + 1).toString(16)}`,
    addressV4: `100.64.${16 + (n >> 8)}.${n & 255}`,
    publiclyReachable: node.hub,
    endpointHost: null,
    endpointPort: null,
    listenPort: 51820,
    publicKey: node.keyed ? Buffer.alloc(32, n + 1).toString('base64') : null,
    underlay: [],
    podCidrs: node.device ? [] : [`10.42.${n}.0/24`],
    keys: { rotation: null, rotations: 0, at: 0n, atMs: 0, sinceMs: 0 },
    lanSubnets: [],
    lanMasquerade: false,
    tags: [],
    silent: node.silent,
    routing: node.routing,
  }));
  return {
    networkId: 'sdwan_network-1',
    name: 'n',
    handle: 'abcdef',
    cidr64: 'fd00:1::/64',
    cidrV4: '100.64.16.0/20',
    routingMode: 'ibgp',
    podSubnetPrefix: '10.42.0.0/16',
    peers: new Map(peers.map((peer) => [peer.peerId, peer])),
    virtualIps: new Map(),
    firewall: new Map(),
    ...more,
  };
};

const nodeShape = fc.record({
  hub: fc.boolean(),
  silent: fc.boolean(),
  routing: fc.constantFrom('running' as const, 'static' as const, null),
  keyed: fc.boolean(),
  device: fc.boolean(),
});

/** A BGP of its own, from the text that the daemons get: who hears of a prefix that `origin` announces, by RFC 4456. */
class Speakers {
  readonly links = new Map<string, Map<string, 'peer' | 'client'>>();
  constructor(network: NetworkView) {
    const plan = planBgp(network);
    for (const peer of network.peers.values()) {
      const item = compileBgp(network, peer, () => plan);
      if (item === undefined || peer.routing === 'static') continue;
      const lines = item.bgpd.flatMap((block) => block.lines);
      const reflects = new Set(
        lines.flatMap((line) => /^neighbor (\S+) route-reflector-client$/.exec(line)?.[1] ?? []),
      );
      const links = new Map<string, 'peer' | 'client'>();
      for (const line of lines) {
        const found = /^neighbor (fd00:\S+) peer-group (\S+)$/.exec(line);
        if (found !== null) links.set(found[1]!, reflects.has(found[2]!) ? 'client' : 'peer');
      }
      this.links.set(peer.addressV6, links);
    }
  }

  /** A session is up when both ends have the other. */
  up(a: string, b: string): boolean {
    return this.links.get(a)?.has(b) === true && this.links.get(b)?.has(a) === true;
  }

  heardBy(origin: string, without: readonly string[] = []): Set<string> {
    const heard = new Set([origin]);
    const told: [string, 'own' | 'peer' | 'client'][] = [[origin, 'own']];
    for (let at = told.pop(); at !== undefined; at = told.pop()) {
      const [speaker, from] = at;
      for (const [other, kind] of this.links.get(speaker) ?? []) {
        if (without.includes(other) || heard.has(other) || !this.up(speaker, other)) continue;
        // What a non-client said is passed on to clients only; what a client said, to everybody.
        if (from === 'peer' && kind === 'peer') continue;
        heard.add(other);
        told.push([other, this.links.get(other)!.get(speaker)!]);
      }
    }
    return heard;
  }
}

const speakersOf = (network: NetworkView) => planSessions(network).members.map((peer) => peer.addressV6);

describe('the routing daemons of an ibgp network', () => {
  it('are a full mesh up to ten, and every session has two ends', () => {
    fc.assert(
      fc.property(fc.array(nodeShape, { minLength: 1, maxLength: FULL_MESH_MAX }), (nodes) => {
        const network = build(nodes);
        const speakers = new Speakers(network);
        const members = speakersOf(network);
        for (const a of members) for (const b of members) if (a !== b) expect(speakers.up(a, b)).toBe(true);
      }),
    );
  });

  it('hear everything from everybody through the reflectors, also without any one of these', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.array(nodeShape, { maxLength: 30 }), (more, nodes) => {
        const network = build([...Array.from({ length: FULL_MESH_MAX + 1 + more }, () => NODE), ...nodes]);
        const members = speakersOf(network);
        const speakers = new Speakers(network);
        const { reflectors } = planSessions(network);
        const origin = members[0]!;
        expect(speakers.heardBy(origin).size).toBe(members.length);
        for (const { addressV6 } of reflectors)
          if (addressV6 !== origin) expect(speakers.heardBy(origin, [addressV6]).size).toBe(members.length - 1);
      }),
      { numRuns: 40 },
    );
  });

  it('of twelve nodes have two reflectors with ten clients each, and clients have only these two', () => {
    const network = build(Array.from({ length: 12 }, () => NODE));
    const plan = planSessions(network);
    expect(plan.reflectors).toHaveLength(2);
    for (const peer of plan.members) {
      const isReflector = plan.reflectors.includes(peer);
      expect(plan.of(peer.peerId)).toHaveLength(isReflector ? 11 : REFLECTORS_PER_CLIENT);
      expect(compileBgp(network, peer)!.role).toBe(isReflector ? 'reflector' : 'client');
    }
  });

  it('get to know every path from a reflector, also where another one looks better to it', () => {
    const network = build(Array.from({ length: 12 }, () => NODE));
    for (const peer of network.peers.values()) {
      const { role, bgpd } = compileBgp(network, peer)!;
      const groups = bgpd.flatMap(({ lines }) =>
        lines.flatMap((l) => /^neighbor (\S+) addpath-tx-all-paths$/.exec(l)?.[1] ?? []),
      );
      expect(groups).toEqual(role === 'reflector' ? ['overlay', 'overlay-clients', 'overlay', 'overlay-clients'] : []);
    }
    const few = build([NODE, NODE]);
    expect(JSON.stringify(compileBgp(few, [...few.peers.values()][0]!)!.bgpd)).not.toContain('addpath');
  });

  it('are shown as their files have them, and hold no secret', () => {
    const network = build([NODE, NODE]);
    const text = configText(compileBgp(network, [...network.peers.values()][0]!)!.bgpd);
    expect(text).toContain('router bgp 64512\n bgp router-id 100.64.16.0\n');
    expect(text).toContain(' address-family ipv4 unicast\n  network 10.42.0.0/24\n');
    expect(text).not.toMatch(/password|secret/i);
  });

  it('spread over the reflectors of a large network', () => {
    const plan = planSessions(build(Array.from({ length: 600 }, () => NODE)));
    expect(plan.reflectors).toHaveLength(10);
    const clients = plan.reflectors.map((r) => plan.of(r.peerId).filter((s) => s.kind === 'client').length);
    expect(clients.reduce((a, b) => a + b)).toBe(590 * REFLECTORS_PER_CLIENT);
    expect(Math.max(...clients)).toBeLessThan(2 * Math.min(...clients));
  });

  it('keep their reflectors when another node comes, but for one at most; a reflector without a daemon is replaced', () => {
    const nodes = Array.from({ length: 30 }, () => NODE);
    const ids = (list: readonly Node[]) => planSessions(build(list)).reflectors.map((peer) => peer.peerId);
    const before = ids(nodes);
    for (let n = 1; n < 20; n++) {
      const after = ids([...nodes, ...Array.from({ length: n }, () => NODE)]);
      expect(after.filter((id) => before.includes(id)).length + n).toBeGreaterThanOrEqual(before.length);
    }
    const gone = Number(before[0]!.slice('sdwan_peer-'.length));
    const without = ids(nodes.map((node, n) => (n === gone ? { ...NODE, routing: 'static' } : node)));
    expect(without).not.toContain(before[0]);
    expect(without).toContain(before[1]);
  });

  it('prefer reflectors that everybody reaches and that are heard of', () => {
    const nodes = Array.from({ length: 20 }, (_, n) => ({ ...NODE, hub: n < 3, silent: n === 0 }));
    expect(planSessions(build(nodes)).reflectors.map((p) => p.peerId)).toEqual(['sdwan_peer-1', 'sdwan_peer-2']);
  });

  it('are configured byte for byte the same, whatever order the peers came in', () => {
    fc.assert(
      fc.property(fc.array(nodeShape, { minLength: 2, maxLength: 20 }), (nodes) => {
        const network = build(nodes);
        const turned = { ...network, peers: new Map([...network.peers].reverse()) };
        for (const peer of network.peers.values())
          expect(JSON.stringify(compileBgp(turned, peer))).toBe(JSON.stringify(compileBgp(network, peer)));
      }),
      { numRuns: 50 },
    );
  });

  it('announce the pods of their own node only, and take nothing but pods and virtual IPs', () => {
    fc.assert(
      fc.property(fc.array(nodeShape, { minLength: 1, maxLength: 14 }), (nodes) => {
        const network = build(nodes);
        for (const peer of network.peers.values()) {
          const lines = compileBgp(network, peer)?.bgpd.flatMap((block) => block.lines) ?? [];
          expect(lines.filter((l) => l.startsWith('network '))).toEqual(
            peer.kind === 'node' && peer.publicKey !== null ? peer.podCidrs.map((cidr) => `network ${cidr}`) : [],
          );
          if (lines.length === 0) continue;
          expect(lines.filter((l) => l.includes('prefix-list overlay-in seq'))).toEqual([
            'ip prefix-list overlay-in seq 5 permit 10.42.0.0/16 le 32',
            'ipv6 prefix-list overlay-in seq 5 permit fd00:1::/116 ge 128',
          ]);
          for (const group of new Set(lines.flatMap((l) => (/peer-group$/.test(l) ? l.split(' ')[1]! : []))))
            expect(lines.filter((l) => l === `neighbor ${group} route-map overlay-in in`)).toHaveLength(2);
        }
      }),
    );
  });

  it('run in ibgp networks only, and not on devices; a node without the package is told how to, and left out', () => {
    const network = build([NODE, { ...NODE, device: true }, { ...NODE, routing: 'static' }, { ...NODE, keyed: false }]);
    const [node, device, without, keyless] = [...network.peers.values()];
    expect(compileBgp({ ...network, routingMode: 'mesh' }, node!)).toBeUndefined();
    expect(compileBgp(network, device!)).toBeUndefined();
    expect(compileBgp(network, keyless!)).toBeUndefined();
    expect(compileBgp(network, without!)).toMatchObject({ neighbors: [] });
    expect(compileBgp(network, node!)!.neighbors).toEqual([]);
  });

  it('announce the LANs behind a gateway, and let such be announced', () => {
    const network = build([NODE, NODE]);
    const [gateway, other] = [...network.peers.values()];
    const lans = ['192.168.7.0/24', '10.42.200.0/24'];
    const peers = new Map(network.peers).set(gateway!.peerId, { ...gateway!, lanSubnets: lans });
    const linesOf = (peer: PeerView) => compileBgp({ ...network, peers }, peer)!.bgpd.flatMap((block) => block.lines);
    expect(linesOf(peers.get(gateway!.peerId)!).filter((l) => l.startsWith('network '))).toEqual([
      'network 10.42.0.0/24',
      'network 10.42.200.0/24',
      'network 192.168.7.0/24',
    ]);
    expect(linesOf(other!)).toContain('ip prefix-list overlay-in seq 10 permit 192.168.7.0/24');
    expect(linesOf(other!).join()).not.toContain('permit 10.42.200.0/24');
  });

  it('know who may hold a virtual IP', () => {
    const member = (n: number) => ({ peer_id: `sdwan_peer-${n}`, instance_id: `instance-${n}` }) as Member;
    const vip = {
      status: 'active',
      virtualIpId: 'virtual_ip-1',
      address: 'fd00:1::100',
      candidates: [member(2), member(0)],
    } as unknown as LiveVirtualIp;
    const network = build([NODE, NODE, NODE], { virtualIps: new Map([['virtual_ip-1', vip]]) });
    for (const peer of network.peers.values())
      expect(compileBgp(network, peer)!.virtual_ips).toEqual([
        { vip_id: 'virtual_ip-1', address: 'fd00:1::100', candidates: ['sdwan_peer-0', 'sdwan_peer-2'] },
      ]);
  });
});

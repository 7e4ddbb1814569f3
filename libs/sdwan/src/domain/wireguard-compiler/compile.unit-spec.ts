import fc from 'fast-check';
import { contains, mustCidr } from '../ip.js';
import { boot, build, LEASE, walk, type Shape } from '../testing/paper-network.js';
import { compileNetwork } from './compile.js';
import type { NetworkView, PeerView } from './model.js';
import { effectiveMode, reachOf } from './topology.js';

/** Any network of up to seven peers. */
const shape = fc.record({
  peers: fc.array(
    fc.record({
      hub: fc.boolean(),
      keyed: fc.boolean(),
      device: fc.boolean(),
      pods: fc.boolean(),
      silent: fc.boolean(),
      endpoint: fc.boolean(),
      lan: fc.boolean(),
      changing: fc.constantFrom('requested' as const, 'ordered' as const, 'switched' as const, null),
    }),
    { minLength: 2, maxLength: 7 },
  ),
  mode: fc.constantFrom('mesh' as const, 'hub' as const, 'ibgp' as const, null),
  podsV6: fc.boolean(),
  vips: fc.array(fc.record({ holder: fc.nat(6), moving: fc.option(fc.nat(6)) }), { maxLength: 3 }),
});

const hostIn = (cidr: string, host: number) => cidr.replace(/0\/24$|\/64$/, String(host));
const podIn = (cidr: string, host: number) => cidr.replace(/0\/24$|\/64$/, String(host));

const keyed = (network: NetworkView) => [...network.peers.values()].filter((p) => p.publicKey !== null);
const connected = (network: NetworkView, a: PeerView, b: PeerView) =>
  reachOf(network, { ...a, underlay: ['192.0.2.9'] }, { ...b, underlay: ['192.0.2.8'] }).kind !== 'unreachable' ||
  effectiveMode(network) === 'mesh';

describe('the WireGuard compiler, on every topology', () => {
  it('lets every keyed peer reach every other, its IPv4, its pods and the LANs behind it, there and back', () => {
    fc.assert(
      fc.property(shape, (s) => {
        const network = build(s as Shape);
        const nodes = boot(network);
        const hubless = effectiveMode(network) === 'hub' && !keyed(network).some((p) => p.publiclyReachable);
        if (hubless) return;
        for (const a of keyed(network))
          for (const b of keyed(network)) {
            if (a === b || !connected(network, a, b)) continue;
            expect(walk(nodes, a.peerId, a.addressV6, b.addressV6)).toBe(b.peerId);
            expect(walk(nodes, a.peerId, a.addressV4, b.addressV4)).toBe(b.peerId);
            for (const [n, from] of a.podCidrs.entries())
              if (b.podCidrs.length > 0)
                expect(walk(nodes, a.peerId, podIn(from, 7), podIn(b.podCidrs[n]!, 9))).toBe(b.peerId);
            for (const lan of b.lanSubnets)
              expect(walk(nodes, a.peerId, lan.includes(':') ? a.addressV6 : a.addressV4, hostIn(lan, 9))).toBe(
                b.peerId,
              );
            // From a machine in one LAN to a machine in another, each behind its gateway.
            for (const [n, from] of a.lanSubnets.entries())
              if (b.lanSubnets.length > 0)
                expect(walk(nodes, a.peerId, hostIn(from, 7), hostIn(b.lanSubnets[n]!, 9))).toBe(b.peerId);
          }
      }),
      { numRuns: 200 },
    );
  });

  it('leads every member to exactly the holder of a virtual IP', () => {
    fc.assert(
      fc.property(shape, (s) => {
        const network = build({ ...(s as Shape), vips: s.vips.map((v) => ({ ...v, moving: null })) });
        const nodes = boot(network);
        if (effectiveMode(network) === 'hub' && !keyed(network).some((p) => p.publiclyReachable)) return;
        for (const vip of network.virtualIps.values()) {
          const holders = [...nodes.values()].filter((n) =>
            n.c.vips.some((v) => v.vip_id === vip.virtualIpId && v.role === 'holder'),
          );
          expect(holders.map((n) => n.self.peerId)).toEqual([vip.holder!.peer_id]);
          for (const a of keyed(network))
            expect(walk(nodes, a.peerId, a.addressV6, vip.address)).toBe(vip.holder!.peer_id);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('never shows two peers the same epoch with different holders, also while a move runs', () => {
    fc.assert(
      fc.property(shape, (s) => {
        const network = build(s as Shape);
        for (const vip of network.virtualIps.values()) {
          const seen = new Map<number, Set<string | null>>();
          for (const node of boot(network).values()) {
            const item = node.c.vips.find((v) => v.vip_id === vip.virtualIpId)!;
            seen.set(item.epoch, (seen.get(item.epoch) ?? new Set()).add(item.holder_peer_id));
          }
          for (const holders of seen.values()) expect(holders.size).toBe(1);
        }
      }),
    );
  });

  it('lists no prefix under two peers, and nested ones only where the longer is the way to a standby hub', () => {
    fc.assert(
      fc.property(shape, (s) => {
        for (const node of boot(build(s as Shape)).values()) {
          const all = node.c.peers.flatMap((p) => p.allowed_ips.map((a) => ({ cidr: mustCidr(a), text: a })));
          expect(new Set(all.map((a) => a.text)).size).toBe(all.length);
          const mesh = !node.c.peers.some((p) => p.allowed_ips.includes('fd00:1::/64'));
          if (mesh)
            for (const [i, a] of all.entries())
              for (const b of all.slice(i + 1))
                expect(contains(a.cidr, b.cidr) || contains(b.cidr, a.cidr)).toBe(false);
        }
      }),
    );
  });

  it('never leaks one network into another', () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        build(b as Shape, 2);
        for (const node of boot(build(a as Shape, 1)).values()) {
          const text = JSON.stringify(node.c);
          expect(text).not.toContain('fd00:2:');
          expect(text).not.toContain('100.64.32.');
        }
      }),
    );
  });

  it('is byte-stable, whatever order the peers came in', () => {
    fc.assert(
      fc.property(shape, (s) => {
        const network = build(s as Shape);
        const turned: NetworkView = { ...network, peers: new Map([...network.peers].reverse()) };
        for (const peer of network.peers.values()) {
          const sorted = (n: NetworkView) => {
            const c = compileNetwork(n, peer, LEASE);
            return JSON.stringify({ ...c, peers: [...c.peers].sort((x, y) => (x.peer_id < y.peer_id ? -1 : 1)) });
          };
          expect(sorted(turned)).toBe(sorted(network));
        }
      }),
    );
  });

  it('hands over to the standby hub when the primary falls silent', () => {
    const base = { keyed: true, device: false, pods: false, endpoint: true, lan: false, changing: null };
    const peers = [
      { ...base, hub: true, silent: true },
      { ...base, hub: true, silent: false },
      { ...base, hub: false, silent: false },
      { ...base, hub: false, silent: false },
    ];
    const network = build({ peers, mode: null, vips: [] });
    const spoke = compileNetwork(network, network.peers.get('sdwan_peer-1-2')!, LEASE);
    expect(spoke.peers.find((p) => p.allowed_ips.includes('fd00:1::/64'))?.peer_id).toBe('sdwan_peer-1-1');
    expect(walk(boot(network), 'sdwan_peer-1-2', 'fd00:1::1:2', 'fd00:1::1:3')).toBe('sdwan_peer-1-3');
  });

  it('guards the way out of a hub that has no LANs, in words that an agent of before does not take for a gateway', () => {
    const base = { keyed: true, device: false, pods: false, endpoint: true, changing: null, silent: false };
    const peers = [
      { ...base, hub: true, lan: false },
      { ...base, hub: true, lan: true },
      { ...base, hub: false, lan: false },
    ];
    const network = build({ peers, mode: null, vips: [] });
    const [hub, gateway, spoke] = [0, 1, 2].map(
      (n) => compileNetwork(network, network.peers.get(`sdwan_peer-1-${n}`)!, LEASE).interface,
    );
    expect(hub).toMatchObject({ forwarding: true, guard: { also: ['10.42.0.0/16'] } });
    expect(hub).not.toHaveProperty('lan');
    expect(gateway!.lan!.subnets).toHaveLength(2);
    for (const one of [gateway, spoke]) expect(one).not.toHaveProperty('guard');
  });

  it('goes on without whichever hub is lost, as long as there is another', () => {
    fc.assert(
      fc.property(shape, fc.nat(6), (s, which) => {
        const whole = build(s as Shape);
        const hubs = keyed(whole).filter((p) => p.publiclyReachable);
        if (effectiveMode(whole) !== 'hub' || hubs.length < 2) return;
        const lost = hubs[which % hubs.length]!;
        const others = hubs.filter((hub) => hub !== lost).map((hub) => ({ ...hub, silent: false }));
        const network = { ...whole, peers: new Map(whole.peers) };
        for (const hub of [...others, { ...lost, silent: true }]) network.peers.set(hub.peerId, hub);
        const nodes = boot(network);
        nodes.delete(lost.peerId);
        const there = keyed(network).filter((p) => p.peerId !== lost.peerId);
        for (const a of there)
          for (const b of there) if (a !== b) expect(walk(nodes, a.peerId, a.addressV6, b.addressV6)).toBe(b.peerId);
      }),
      { numRuns: 200 },
    );
  });

  it('names a pair that cannot reach each other', () => {
    const bare = { keyed: true, device: false, pods: false, lan: false, changing: null };
    const base = { ...bare, endpoint: false, hub: false, silent: false };
    const network = build({ peers: [base, base], mode: null, vips: [] });
    const [a, b] = [...network.peers.values()];
    expect(reachOf(network, a!, b!)).toEqual({
      kind: 'unreachable',
      reason: 'neither has an endpoint and the network has no hub',
    });
  });
});

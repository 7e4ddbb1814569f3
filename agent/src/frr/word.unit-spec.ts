import fc from 'fast-check';
import type { BgpItem, PeerItem, VipItem } from '#proto';
import type { NetworkSection } from '../network/compose.js';
import { parseBfd, parseRoutes, parseSummary, type DaemonView } from './reading.js';
import { forgotten, localPrefOf, nextWord, sectionWith, silentWord, vipWith, type Word } from './word.js';

const address = (n: number) => `fd00:1::1:${n}`;
const podsOf = (n: number) => `10.42.${n}.0/24`;
const peer = (n: number, more: readonly string[] = [podsOf(n)]): PeerItem => ({
  peer_id: `p${n}`,
  instance_id: `i${n}`,
  public_key: `k${n}`,
  endpoints: [],
  allowed_ips: [`${address(n)}/128`, `100.64.0.${n}/32`, ...more],
  persistent_keepalive: 25,
});
const section = (peers: readonly PeerItem[]): NetworkSection => ({
  networkId: 'net',
  iface: undefined,
  peers,
  routes: new Map([
    ['fd00:1::/64', 'device'],
    ['100.64.0.0/20', 'device'],
  ]),
  vips: [],
  firewall: [],
  errors: [],
});
const item: BgpItem = {
  network_id: 'net',
  asn: 64512,
  port: 1790,
  address: address(9),
  role: 'peer',
  neighbors: [],
  pod_prefix: '10.42.0.0/16',
  virtual_ips: [{ vip_id: 'v', address: 'fd00:1::100', candidates: ['p1', 'p2'] }],
  bfdd: [],
  bgpd: [{ path: [], lines: ['network 10.42.9.0/24'] }],
};
const said = (n: number, prefix = podsOf(n), localPref = 100) => ({
  prefix,
  nextHop: `100.64.0.${n}`,
  from: address(n),
  localPref,
});
const vipSaid = (n: number, epoch: number) => ({
  prefix: 'fd00:1::100/128',
  nextHop: address(n),
  from: address(n),
  localPref: localPrefOf(epoch),
});
const view = (routes: DaemonView['routes'], ageMs = 60_000, state = 'Established'): DaemonView => ({
  routes,
  sessions: [{ address: address(1), state, ageMs, prefixes: routes.length }],
});
const three = section([peer(1), peer(2), peer(3)]);
let nowMs = 0;
/** Looks that are ten seconds apart: what is missing is missed. */
const look = (before: Word, v: DaemonView, s = three) => nextWord(before, s, item, v, (nowMs += 10_000));
const twice = (before: Word, v: DaemonView, s = three) => look(look(before, v, s), v, s);
const allowed = (s: NetworkSection, word: Word) =>
  sectionWith(s, word).peers.map((p) => p.allowed_ips.filter((a) => a.startsWith('10.')));

describe('what is learned from the other nodes', () => {
  it('is nothing to act on while it is what the platform says', () => {
    const word = look(silentWord, view([said(1), said(2)]));
    expect([...word.learned.keys()]).toEqual([podsOf(1), podsOf(2)]);
    expect(sectionWith(three, word)).toBe(three);
  });

  it('takes the prefixes of a node away that fell silent, to nowhere else, and gives them back when it is heard again', () => {
    const before = look(silentWord, view([said(1), said(2)]));
    const after = twice(before, view([said(2)]));
    expect(allowed(three, after)).toEqual([[], [podsOf(2)], [podsOf(3)]]);
    expect(sectionWith(three, after).routes.get(podsOf(1))).toBe('device');
    expect(sectionWith(three, after).peers[1]).toBe(three.peers[1]);
    expect(allowed(three, look(after, view([said(1), said(2)])))).toEqual([[podsOf(1)], [podsOf(2)], [podsOf(3)]]);
  });

  it('is not what one node says of another, but for what a reflector passes on', () => {
    const lie = { ...vipSaid(1, 4_000_000), from: address(3) };
    const pods = { ...said(1, '10.42.77.0/24'), from: address(3) };
    const heard = (more: Partial<BgpItem>) => {
      const neighbors = [
        { peer_id: 'p3', address: address(3), ...(more.role === 'reflector' ? { client: true } : {}) },
      ];
      const word = nextWord(silentWord, three, { ...item, neighbors, ...more }, view([lie, pods]), (nowMs += 10_000));
      return [word.holders.get('v')?.peerId, word.gained.get('10.42.77.0/24')];
    };
    expect(heard({ role: 'peer' })).toEqual([undefined, undefined]);
    expect(heard({ role: 'reflector' })).toEqual([undefined, undefined]);
    expect(heard({ role: 'client' })).toEqual(['p1', 'p1']);
    expect(heard({ role: 'client', neighbors: [] })).toEqual([undefined, undefined]);
  });

  it('is not hidden by who announces the prefix of another', () => {
    const before = look(silentWord, view([said(1), said(2)]));
    const after = twice(before, view([said(3, podsOf(1), 4_000), said(1), said(2)]));
    expect(sectionWith(three, after)).toBe(three);
  });

  it('is not missed from a node that never said anything: it may have no daemon', () => {
    expect(look(silentWord, view([said(1)])).withdrawn.size).toBe(0);
  });

  it('is not missed while nobody is heard, by a session that is young, or in another life of the daemon', () => {
    const before = look(silentWord, view([said(1), said(2)]));
    for (const silent of [view([], 60_000, 'Active'), view([said(2)], 9_000)])
      expect(twice(before, silent).withdrawn.size).toBe(0);
    expect(twice(forgotten(before), view([said(2)])).withdrawn.size).toBe(0);
    // But once it has been listening for long enough, silence means something.
    expect([...twice(look(before, view([said(2)], 9_000)), view([said(2)])).withdrawn.keys()]).toEqual([podsOf(1)]);
  });

  it('is missed only after five seconds: a daemon that crashed is back sooner', () => {
    const at = (before: Word, ms: number, v: DaemonView) => nextWord(before, three, item, v, ms);
    const before = at(silentWord, 0, view([said(1), said(2)]));
    const gone = at(at(before, 100, view([said(2)])), 5_050, view([said(2)]));
    expect([gone.withdrawn.size, gone.learned.get(podsOf(1))]).toEqual([0, 'p1']);
    expect(at(gone, 5_100, view([said(2)])).withdrawn.get(podsOf(1))).toBe('p1');
    const back = at(gone, 5_090, view([said(1), said(2)]));
    expect(back.missing.size).toBe(0);
    // The time in which this node itself heard nobody does not count.
    const cut = at(at(gone, 5_060, view([], 60_000, 'Active')), 9_000, view([said(2)]));
    expect(cut.withdrawn.size).toBe(0);
  });

  it('is nobody’s right: a prefix of another node, of this one, or outside the pod range is not taken', () => {
    for (const prefix of [
      podsOf(2),
      '10.42.0.0/16',
      '10.42.2.128/25',
      podsOf(9),
      '10.99.0.0/24',
      '0.0.0.0/0',
      'fd00:1::5/128',
    ])
      expect(look(silentWord, view([said(1, prefix)])).learned.size).toBe(0);
    expect(look(silentWord, view([{ ...said(1), nextHop: '192.0.2.1' }])).learned.size).toBe(0);
  });

  it('reaches pods that the platform has not told of yet, until it tells otherwise', () => {
    const word = look(silentWord, view([said(3, '10.42.77.0/24')]));
    expect(allowed(three, word)[2]).toEqual([podsOf(3), '10.42.77.0/24']);
    const told = section([peer(1, [podsOf(1), '10.42.77.0/24']), peer(2), peer(3)]);
    expect(allowed(told, look(word, view([said(3, '10.42.77.0/24')]), told))[2]).toEqual([podsOf(3)]);
  });

  it('moves a virtual IP to the highest epoch, never back, and only to a candidate', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ n: fc.integer({ min: 1, max: 3 }), epoch: fc.integer({ min: 1, max: 9 }) }), {
          minLength: 1,
        }),
        (claims) => {
          let word = silentWord;
          let highest = 0;
          for (const { n, epoch } of claims) {
            word = look(word, view([vipSaid(n, epoch)]));
            if (n !== 3) highest = Math.max(highest, epoch);
            expect(word.holders.get('v')?.epoch ?? 0).toBe(highest);
            expect(word.holders.get('v')?.peerId).not.toBe('p3');
          }
        },
      ),
    );
  });

  it('wins over the platform’s word by epoch only, and never over a lease that this node holds', () => {
    const vip = (epoch: number, role: VipItem['role'] = 'member'): VipItem => ({
      vip_id: 'v',
      network_id: 'net',
      address: 'fd00:1::100',
      epoch,
      holder_peer_id: 'p1',
      route_peer_id: role === 'holder' ? null : 'p1',
      role,
      release_after_move: false,
      lease: null,
    });
    const word = look(silentWord, view([vipSaid(2, 7)]));
    const never = () => false;
    expect(vipWith(vip(6), three, word, never)).toMatchObject({ epoch: 7, route_peer_id: 'p2', holder_peer_id: 'p2' });
    for (const epoch of [7, 8]) expect(vipWith(vip(epoch), three, word, never)).toEqual(vip(epoch));
    expect(vipWith(vip(6, 'holder'), three, word, () => true)).toEqual(vip(6, 'holder'));
    expect(vipWith(vip(6, 'holder'), three, word, never).role).toBe('candidate');
    expect(vipWith(vip(6), section([peer(1)]), word, never)).toEqual(vip(6));
  });

  it('gives a prefix to one peer at most, whatever is said', () => {
    const claim = fc.record({
      n: fc.integer({ min: 0, max: 4 }),
      prefix: fc.constantFrom(...[1, 2, 3, 9, 77, 78].map(podsOf), '10.42.76.0/22', '10.42.0.0/16'),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.array(claim), fc.boolean()), { maxLength: 6 }), (looks) => {
        let word = silentWord;
        for (const [claims, isSettled] of looks)
          word = look(
            word,
            view(
              claims.map((c) => said(c.n, c.prefix)),
              isSettled ? 60_000 : 1,
            ),
          );
        const all = allowed(three, word).flat();
        expect(new Set(all).size).toBe(all.length);
        expect(all).not.toContain('10.42.0.0/16');
        expect(all).not.toContain(podsOf(9));
      }),
    );
  });
});

describe('what FRR 8.4 says', () => {
  it('is its paths from others, by their global next hops', () => {
    const text = JSON.stringify({
      routes: {
        '10.41.2.0/24': [
          {
            valid: true,
            bestpath: true,
            pathFrom: 'internal',
            peerId: 'fd00:1::1:2',
            locPrf: 100,
            nexthops: [{ ip: '100.64.16.12', afi: 'ipv4', used: true }],
          },
        ],
        'fd00:1::100/128': [
          {
            valid: true,
            pathFrom: 'internal',
            peerId: 'fd00:1::1:3',
            locPrf: 1001,
            nexthops: [{ ip: 'fd00:1::1:3', used: true }],
          },
          {
            valid: true,
            bestpath: true,
            pathFrom: 'internal',
            peerId: 'fd00:1::1:4',
            locPrf: 1007,
            nexthops: [
              { ip: 'fd00:1:0::1:2', scope: 'global', used: true },
              { ip: 'fe80::1', scope: 'link-local' },
            ],
          },
        ],
        '10.41.1.0/24': [
          {
            valid: true,
            bestpath: true,
            pathFrom: 'external',
            peerId: '(unspec)',
            nexthops: [{ ip: '0.0.0.0', used: true }],
          },
        ],
        '10.41.9.0/24': [{ valid: false, pathFrom: 'internal', nexthops: [{ ip: '100.64.16.19' }] }],
      },
    });
    expect(parseRoutes(text)).toEqual([
      { prefix: '10.41.2.0/24', nextHop: '100.64.16.12', from: 'fd00:1::1:2', localPref: 100 },
      { prefix: 'fd00:1::100/128', nextHop: 'fd00:1::1:3', from: 'fd00:1::1:3', localPref: 1001 },
      { prefix: 'fd00:1::100/128', nextHop: 'fd00:1::1:2', from: 'fd00:1::1:4', localPref: 1007 },
    ]);
    expect(parseRoutes('{}')).toEqual([]);
  });

  it('is the state of its sessions over both families, and of their BFD', () => {
    const peerOf = (pfxRcd: number) => ({ 'fd00:1::1:2': { state: 'Established', peerUptimeMsec: 5000, pfxRcd } });
    const text = JSON.stringify({
      ipv4Unicast: { tableVersion: 3, peers: peerOf(1) },
      ipv6Unicast: { tableVersion: 9, peers: peerOf(2) },
    });
    expect(parseSummary(text)).toEqual({
      version: '3.9',
      sessions: [{ address: 'fd00:1::1:2', state: 'Established', ageMs: 5000, prefixes: 3 }],
    });
    expect(parseSummary('{}').sessions).toEqual([]);
    expect(parseBfd('[{"peer":"fd00:1::1:2","status":"up"}]')).toEqual(new Map([['fd00:1::1:2', 'up']]));
  });
});

import { portLedgerDecider, type PortLedgerCommand } from './port-ledger/decide.js';
import fc from 'fast-check';
import { type Decider, type DomainEvent, type Refusal } from '#kernel';
import { accessGrantDecider } from './access-grant/decide.js';
import { addressLedgerDecider, REST_MS, type AddressLedgerCommand } from './address-ledger/decide.js';
import { formatIp, mustCidr, overlaps, parseIp } from './ip.js';
import { podPrefixMayChange } from './network/decide.js';
import { accountPrefix, prefixDecider } from './network/prefixes.js';
import { isPublicKey, peerDecider } from './peer/decide.js';
import { virtualIpDecider, type VirtualIpCommand } from './virtual-ip/decide.js';
import type { Member } from './virtual-ip/state.js';

/** Runs commands against a decider; answers the state and what each decision was. */
const drive = <S, C, E extends DomainEvent>(decider: Decider<S, C, E>, commands: readonly C[]) => {
  let state = decider.initial;
  const answers: (string | Refusal)[] = [];
  for (const command of commands) {
    const decision = decider.decide(command, state);
    if (decision.kind === 'accept') state = decision.events.reduce((s, e) => decider.evolve(s, e), state);
    answers.push(
      decision.kind === 'accept' ? 'accept' : decision.kind === 'nothing' ? decision.reason : decision.refusal,
    );
  }
  return { state, answers };
};
const code = (answer: string | Refusal | undefined) => (typeof answer === 'string' ? answer : answer?.code);

const uuid = (n: number) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const net = (n: number) => `sdwan_network-${uuid(n)}`;

describe('the ports of a node', () => {
  const instanceId = 'instance-00000000-0000-4000-8000-000000000001' as const;
  const peer = (n: number) => `sdwan_peer-00000000-0000-4000-8000-00000000000${n}` as const;
  const run = (commands: readonly PortLedgerCommand[]) => {
    let state = portLedgerDecider.initial;
    for (const command of commands) {
      const decision = portLedgerDecider.decide(command, state);
      if (decision.kind === 'reject') return decision.refusal;
      if (decision.kind === 'accept') state = decision.events.reduce(portLedgerDecider.evolve, state);
    }
    return [...state.values()];
  };
  const claim = (n: number, wanted?: number): PortLedgerCommand => ({
    kind: 'claim',
    instanceId,
    peerId: peer(n),
    wanted,
  });

  it('are one a network, the first free one unless named, and free again after a detach', () => {
    expect(run([claim(1), claim(2), claim(2), claim(3, 51_900), claim(4)])).toEqual([51_820, 51_821, 51_900, 51_822]);
    expect(run([claim(1), claim(2), { kind: 'release', instanceId, peerId: peer(1) }, claim(3)])).toEqual([
      51_821, 51_820,
    ]);
  });

  it('are refused when another network of the node has it, with a free one named', () => {
    expect(run([claim(1), claim(2, 51_820)])).toMatchObject({
      code: 'listen_port_taken',
      field: 'listen_port',
      hint: expect.stringContaining('51821'),
    });
  });
});

describe('addresses as numbers', () => {
  it('print what they parse, in the shortest form', () => {
    expect(formatIp(parseIp('FD00:0:0:0:0:0:0:0100')!)).toBe('fd00::100');
    expect(formatIp(parseIp('1:0:0:2:0:0:0:3')!)).toBe('1:0:0:2::3');
    for (const bad of ['1.2.3', '256.1.1.1', '01.2.3.4', 'fd00::1::2', 'fd00', ':1', '1:2:3:4:5:6:7:8:9', 'g::'])
      expect(parseIp(bad)).toBeUndefined();
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (value) =>
        expect(parseIp(formatIp({ family: 6, value }))?.value).toBe(value),
      ),
    );
  });
});

describe('prefixes of an account', () => {
  const claim = (n: number, podSubnetPrefix: string | null = null) => ({
    kind: 'claim' as const,
    accountId: 'account-a',
    networkId: net(n),
    podSubnetPrefix,
  });

  it("never overlap, over hundreds of networks, and stay in the account's /48", () => {
    const { state } = drive(
      prefixDecider,
      Array.from({ length: 300 }, (_, n) => claim(n)),
    );
    const all = [...state.claims.values()].flatMap((c) => [mustCidr(c.cidr_64), mustCidr(c.cidr_v4)]);
    for (const [i, a] of all.entries())
      for (const b of all.slice(i + 1)) if (overlaps(a, b)) throw new Error('overlap');
    expect(all.filter((c) => c.family === 6).every((c) => overlaps(c, accountPrefix('account-a')))).toBe(true);
    expect(new Set([...state.claims.values()].map((c) => c.handle)).size).toBe(state.claims.size);
  });

  it('refuse a pod prefix that overlaps another, naming the conflict and a free choice', () => {
    const { answers } = drive(prefixDecider, [claim(1, '10.42.0.0/16'), claim(2, '10.42.128.0/17')]);
    expect(answers[1]).toMatchObject({ code: 'pod_subnet_prefix_overlap', field: 'pod_subnet_prefix', status: 409 });
    expect((answers[1] as Refusal).message).toContain('10.42.0.0/16');
    const free = (answers[1] as Refusal).hint!.replace(' is free', '');
    expect(drive(prefixDecider, [claim(1, '10.42.0.0/16'), claim(2, free)]).answers).toEqual(['accept', 'accept']);
  });

  it.each(['10.43.0.0/16', '100.64.0.0/10', '10.42.0.1/16', '10.42.0.0', '10.42.0.0/24', 'pods'])(
    'refuse the pod prefix %s',
    (prefix) => {
      expect(code(drive(prefixDecider, [claim(1, prefix)]).answers[0])).toMatch(/^pod_subnet_prefix_/);
    },
  );

  it('are free again after a release, and a claim again changes nothing', () => {
    const { answers } = drive(prefixDecider, [
      claim(1, '10.42.0.0/16'),
      claim(1),
      { kind: 'release', networkId: net(1) },
      claim(2, '10.42.0.0/16'),
    ]);
    expect(answers).toEqual(['accept', 'already_claimed', 'accept', 'accept']);
  });

  it("let a cluster's network go from none to exactly the cluster's CIDR and nowhere else", () => {
    const clusters = [{ clusterId: 'cluster-1', podCidr: '10.42.0.0/16', flannel: true }];
    expect(podPrefixMayChange(null, '10.42.0.0/16', clusters).kind).toBe('nothing');
    expect(podPrefixMayChange(null, '10.50.0.0/16', clusters).kind).toBe('reject');
    expect(podPrefixMayChange('10.42.0.0/16', null, clusters).kind).toBe('reject');
    expect(podPrefixMayChange('10.42.0.0/16', '10.44.0.0/16', []).kind).toBe('nothing');
  });
});

describe('the address ledger', () => {
  const base = { networkId: net(1), cidr64: 'fd00:abcd:1::/64', cidrV4: '100.64.16.0/20' };
  const allocate = (ownerId: string, range: 'vip' | 'node' | 'device', nowMs = 0): AddressLedgerCommand => ({
    kind: 'allocate',
    ownerId,
    range,
    nowMs,
    ...base,
  });
  const release = (ownerId: string, nowMs = 0): AddressLedgerCommand => ({
    kind: 'release',
    networkId: net(1),
    ownerId,
    nowMs,
  });
  const addressOf = (
    state: ReturnType<typeof drive<typeof addressLedgerDecider.initial, AddressLedgerCommand, never>>['state'],
    id: string,
  ) => state.byOwner.get(id)?.addressV6;

  it('lays out virtual IPs from ::100, nodes from ::1:0 and devices from ::2:0', () => {
    const { state } = drive(addressLedgerDecider, [
      allocate('v', 'vip'),
      allocate('n', 'node'),
      allocate('n2', 'node'),
      allocate('d', 'device'),
    ] as never[]);
    expect(['v', 'n', 'n2', 'd'].map((id) => addressOf(state, id))).toEqual([
      'fd00:abcd:1::100',
      'fd00:abcd:1::1:0',
      'fd00:abcd:1::1:1',
      'fd00:abcd:1::2:0',
    ]);
    expect(state.byOwner.get('n')?.addressV4).toBe('100.64.16.16');
  });

  it('never has two owners of one address, and lets released ones rest for a day', () => {
    const op = fc.record({
      kind: fc.constantFrom('allocate', 'release'),
      owner: fc.nat(30),
      range: fc.constantFrom('vip' as const, 'node' as const, 'device' as const),
      wait: fc.nat(REST_MS),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 80 }), (ops) => {
        let state = { ...addressLedgerDecider.initial, byOwner: new Map() } as typeof addressLedgerDecider.initial;
        let now = 0;
        const rests = new Map<string, number>();
        for (const { kind, owner, range, wait } of ops) {
          now += wait;
          const before = state.byOwner.get(`o${owner}`);
          const decision = addressLedgerDecider.decide(
            kind === 'allocate' ? allocate(`o${owner}`, range, now) : release(`o${owner}`, now),
            state,
          );
          if (decision.kind !== 'accept') continue;
          state = decision.events.reduce((s, e) => addressLedgerDecider.evolve(s, e), state);
          if (kind === 'release') rests.set(before!.addressV6, now + REST_MS);
          else expect(rests.get(state.byOwner.get(`o${owner}`)!.addressV6) ?? 0).toBeLessThanOrEqual(now);
          const used = [...state.byOwner.values()].flatMap((a) => [
            a.addressV6,
            ...(a.addressV4 === null ? [] : [a.addressV4]),
          ]);
          expect(new Set(used).size).toBe(used.length);
        }
      }),
    );
  });

  it('refuses when a range is used up, and reuses the first that has rested', () => {
    const many = Array.from({ length: 1_000 }, (_, n) => allocate(`d${n}`, 'device'));
    const { state, answers } = drive(addressLedgerDecider, [
      ...many,
      allocate('one more', 'device'),
      release('d5', 0),
      allocate('early', 'device', REST_MS - 1),
      allocate('late', 'device', REST_MS),
    ] as never[]);
    expect(answers.slice(1_000).map(code)).toEqual(['addresses_exhausted', 'accept', 'addresses_exhausted', 'accept']);
    expect(addressOf(state, 'late')).toBe('fd00:abcd:1::2:5');
  });
});

describe('a peer', () => {
  const data = {
    peer_id: `sdwan_peer-${uuid(1)}` as const,
    network_id: net(1) as `sdwan_network-${string}`,
    kind: 'node' as const,
    instance_id: `instance-${uuid(1)}` as const,
    grant_id: null,
    name: 'a',
    address_v6: 'fd00::1:0',
    address_v4: '100.64.0.16',
    publicly_reachable: false,
    endpoint_host: null,
    endpoint_port: null,
    listen_port: 51820,
    tags: [],
    public_key: null,
  };
  const key = Buffer.alloc(32, 7).toString('base64');

  it('writes edges only', () => {
    const announce = { kind: 'announce_key', publicKey: key, listenPort: 51820 } as const;
    const { answers } = drive(peerDecider, [
      { kind: 'attach', data },
      { kind: 'attach', data },
      announce,
      announce,
      { kind: 'connected' },
      { kind: 'connected' },
      { kind: 'silent' },
      { kind: 'silent' },
      { kind: 'detach', reason: 'x' },
      { kind: 'detach', reason: 'x' },
    ]);
    expect(answers.map(code)).toEqual([
      'accept',
      'already_attached',
      'accept',
      'unchanged',
      'accept',
      'unchanged',
      'accept',
      'unchanged',
      'accept',
      'not_attached',
    ]);
  });

  it('takes public keys of 32 bytes only', () => {
    expect(isPublicKey(key)).toBe(true);
    for (const bad of [
      '',
      'x',
      key.slice(1),
      `${key}=`,
      Buffer.alloc(32).toString('base64'),
      Buffer.alloc(31, 1).toString('base64'),
    ])
      expect(isPublicKey(bad)).toBe(false);
  });
});

describe('a virtual IP', () => {
  const m = (n: number): Member => ({ instance_id: `instance-${uuid(n)}`, peer_id: `sdwan_peer-${uuid(n)}` });
  const reserve: VirtualIpCommand = {
    kind: 'reserve',
    virtualIpId: `virtual_ip-${uuid(1)}`,
    networkId: net(1),
    clusterId: `cluster-${uuid(1)}`,
    name: 'c-api',
    purpose: 'k3s_api_endpoint',
    address: 'fd00::100',
  };
  const ready: VirtualIpCommand[] = [
    reserve,
    { kind: 'set_candidates', candidates: [m(1), m(2), m(3)] },
    { kind: 'allocate', holder: m(1) },
  ];
  const start = (epoch: number, n: number): VirtualIpCommand => ({
    kind: 'start_move',
    epoch,
    to: m(n),
    reason: 'lease_lost',
  });
  const report = { acksMs: {}, unacked: [], outageEstimateMs: 0 };

  it('refuses stale, skipping and competing moves, and holders that are no candidates', () => {
    const codes = (...more: VirtualIpCommand[]) =>
      drive(virtualIpDecider, [...ready, ...more])
        .answers.slice(3)
        .map(code);
    expect(codes(start(1, 2))).toEqual(['stale_epoch']);
    expect(codes(start(3, 2))).toEqual(['stale_epoch']);
    expect(codes(start(2, 9))).toEqual(['not_a_candidate']);
    expect(codes(start(2, 2), start(2, 3), start(3, 3))).toEqual(['accept', 'stale_epoch', 'move_in_progress']);
    expect(codes(start(2, 2), { kind: 'complete_move', epoch: 1, report })).toEqual(['accept', 'stale_epoch']);
    expect(
      codes(start(2, 2), { kind: 'fail_move', epoch: 2, reason: 'x' }, start(3, 3), {
        kind: 'complete_move',
        epoch: 3,
        report,
      }),
    ).toEqual(['accept', 'accept', 'accept', 'accept']);
  });

  it('has one holder an epoch, whatever is asked of it', () => {
    const command = fc.oneof(
      fc.record({
        kind: fc.constant('start_move' as const),
        epoch: fc.nat(6),
        to: fc.integer({ min: 1, max: 4 }).map(m),
        reason: fc.constant('operator' as const),
      }),
      fc.record({ kind: fc.constant('complete_move' as const), epoch: fc.nat(6), report: fc.constant(report) }),
      fc.record({ kind: fc.constant('fail_move' as const), epoch: fc.nat(6), reason: fc.constant('x') }),
      fc.record({ kind: fc.constant('strand' as const), reason: fc.constant('x') }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        let state = drive(virtualIpDecider, ready).state;
        const holders = new Map<number, string>([[1, m(1).instance_id]]);
        for (const c of commands) {
          const decision = virtualIpDecider.decide(c as VirtualIpCommand, state);
          if (decision.kind !== 'accept') continue;
          for (const event of decision.events) {
            state = virtualIpDecider.evolve(state, event);
            if (event.type !== 'system.sdwan.virtual_ip.move_started') continue;
            const { epoch, to } = event.data as { epoch: number; to: Member };
            expect(holders.has(epoch)).toBe(false);
            expect(epoch).toBe(Math.max(...holders.keys()) + 1);
            holders.set(epoch, to.instance_id);
          }
          if (state.status === 'active') expect(state.holder?.instance_id).toBe(holders.get(state.holderEpoch));
        }
      }),
    );
  });

  it('of a cluster is found under system.k3s', () => {
    const state = drive(virtualIpDecider, ready.slice(0, 2)).state;
    const decision = virtualIpDecider.decide(ready[2]!, state);
    expect(decision.kind === 'accept' && decision.events[0]!.topics?.[0]?.startsWith('system.k3s')).toBe(true);
  });
});

describe('an access grant', () => {
  const key = Buffer.alloc(32, 7).toString('base64');
  const create = {
    kind: 'create',
    grantId: `access_grant-${uuid(1)}`,
    networkId: net(1),
    name: 'ws',
    tags: [],
    tokenDigest: 'd',
    expiresAtMs: 1_000,
  } as const;
  const redeem = (nowMs: number, tokenDigest = 'd', publicKey = key) =>
    ({
      kind: 'redeem',
      tokenDigest,
      publicKey,
      peerId: `sdwan_peer-${uuid(1)}`,
      deviceTokenDigest: 'x',
      nowMs,
    }) as const;

  it('is redeemed once, in time, with the right token and a real key', () => {
    expect(
      drive(accessGrantDecider, [
        create,
        redeem(10, 'other'),
        redeem(10, 'd', 'bad'),
        redeem(10),
        redeem(11),
      ]).answers.map(code),
    ).toEqual(['accept', 'bootstrap_token_gone', 'public_key_invalid', 'accept', 'bootstrap_token_gone']);
    expect(drive(accessGrantDecider, [create, redeem(1_000)]).answers.map(code)[1]).toBe('bootstrap_token_gone');
    expect(drive(accessGrantDecider, [create, { kind: 'revoke', reason: 'x' }, redeem(10)]).answers.map(code)[2]).toBe(
      'bootstrap_token_gone',
    );
  });
});

import fc from 'fast-check';
import { addressLedgerDecider, REST_MS, type AddressLedgerCommand } from './decide.js';
import { drive, code, net } from '../testing/drive.js';

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

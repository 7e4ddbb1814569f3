import fc from 'fast-check';
import { drive, code, uuid, net } from '../testing/drive.js';
import { virtualIpDecider, type VirtualIpCommand } from './decide.js';
import type { Member } from './state.js';

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

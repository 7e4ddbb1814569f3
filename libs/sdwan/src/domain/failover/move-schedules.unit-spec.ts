import fc from 'fast-check';
import { A, B, C, plan, play } from '../testing/move-world.js';
import type { MoveInput } from './move.js';

describe('a move of a virtual IP, on random schedules', () => {
  it('always ends once, and never names two holders for one epoch, whatever is lost or late', () => {
    const chance = fc.record({
      planned: fc.boolean(),
      devices: fc.boolean(),
      even: fc.boolean(),
      resume: fc.boolean(),
      rolls: fc.array(
        fc.record({
          after: fc.nat(2_500),
          lost: fc.boolean(),
          heard: fc.integer({ min: -1, max: 1_500 }),
          refused: fc.boolean(),
        }),
        { minLength: 30, maxLength: 60 },
      ),
    });
    fc.assert(
      fc.property(chance, ({ planned, devices, even, resume, rolls }) => {
        let roll = 0;
        const next = () => rolls[roll++ % rolls.length]!;
        const voters = even ? [A, B] : [A, B, C];
        const start = plan({
          planned,
          devices,
          voters,
          order: voters.slice(1),
          platformVotes: even,
          ...(resume ? { epoch: 2, resume: { epoch: 2, to: B } } : {}),
        });
        const { finished, log } = play(start, (effect) => {
          if (effect.kind.startsWith('append_')) {
            const { refused } = next();
            return [
              {
                after: 5,
                input:
                  refused && roll % 7 === 0 ? { kind: 'append_refused', reason: 'stale_epoch' } : { kind: 'appended' },
              },
            ];
          }
          if (effect.kind !== 'ask' && effect.kind !== 'push') return [];
          return effect.to.flatMap((m) => {
            const { after, lost, heard } = next();
            if (lost) return [];
            const role =
              effect.kind === 'push' && m.instance_id === effect.holder.instance_id
                ? ('holder' as const)
                : ('routed' as const);
            const input: MoveInput =
              effect.kind === 'ask'
                ? {
                    kind: 'promise',
                    from: m.instance_id,
                    epoch: effect.epoch,
                    heardMsAgo: heard,
                  }
                : { kind: 'ack', from: m.instance_id, epoch: effect.epoch, role };
            return [{ after, input }];
          });
        });
        expect(finished).toHaveLength(1);
        const holders = new Map<number, Set<string>>();
        for (const { effect } of log)
          if (effect.kind === 'push')
            holders.set(effect.epoch, (holders.get(effect.epoch) ?? new Set()).add(effect.holder.instance_id));
        for (const set of holders.values()) expect(set.size).toBe(1);
      }),
      { numRuns: 1_000 },
    );
  });
});

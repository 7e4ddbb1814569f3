import fc from 'fast-check';
import { A, agents, B, C, member, plan, play } from '../testing/move-world.js';
import type { Member } from '../virtual-ip/state.js';
import type { MoveEffect, MovePlan } from './move.js';

const BEAT_MS = 200;
const [D, E] = [member(4), member(5)];
const five = plan({ voters: [A, B, C, D, E], members: [A, B, C, D, E], order: [B, C, D, E] });

/** When a voter hears the holder, each way's delay for its n-th question, and whether it says what it answers. */
interface Voter {
  readonly heardAt: (now: number) => number;
  readonly there: readonly number[];
  readonly back: readonly number[];
  readonly numbered: boolean;
}

/** Questions and answers of one voter keep their order, as on its stream, whatever they take. */
const asked = (voters: ReadonlyMap<string, Voter>) => {
  const way = new Map<string, { count: number; there: number; back: number }>();
  return (effect: MoveEffect, now: number) => {
    if (effect.kind !== 'ask') return agents({ dead: [A.instance_id] })(effect, now);
    return effect.to.flatMap((to) => {
      const voter = voters.get(to.instance_id);
      if (voter === undefined) return [];
      const last = way.get(to.instance_id) ?? { count: 0, there: 0, back: 0 };
      const there = Math.max(last.there, now + voter.there[last.count % voter.there.length]!);
      const back = Math.max(last.back, there + voter.back[last.count % voter.back.length]!);
      way.set(to.instance_id, { count: last.count + 1, there, back });
      const heardMsAgo = Math.max(0, Math.round(there - voter.heardAt(there)));
      const question = voter.numbered ? { question: effect.question } : {};
      return [
        {
          after: back - now,
          input: { kind: 'promise' as const, from: to.instance_id, epoch: effect.epoch, heardMsAgo, ...question },
        },
      ];
    });
  };
};

const run = (start: MovePlan, voters: readonly (readonly [Member, Voter])[]) =>
  play(start, asked(new Map(voters.map(([to, voter]) => [to.instance_id, voter]))));
const startedAt = ({ log }: ReturnType<typeof run>) => log.find(({ effect }) => effect.kind === 'append_started')?.at;
const diedAt = (at: number) => () => at;

describe('an answer that comes late, after its round of questions', () => {
  it('is no later beat of a holder that is dead, whether or not the agent says what it answers', () => {
    for (const numbered of [true, false]) {
      // C's first answer takes 1.2 s. B is asked again meanwhile, and what it says to that comes when a round later is asked.
      const B2 = { heardAt: diedAt(-50), there: [1], back: [1, 400, 1], numbered };
      const C2 = { heardAt: diedAt(-700), there: [1], back: [1_200, 1], numbered };
      const played = run(plan(), [
        [B, B2],
        [C, C2],
      ]);
      expect(played.end?.effect).toMatchObject({ outcome: 'moved' });
    }
  });

  it('does not stand for the one that is still to come, of a holder that has come back', () => {
    // A is heard again from 1 s on. B and C were asked again before that, which they answer when a round later is asked, and
    // so does E what it was asked first; what they say of that round comes after 2 s.
    const hears = (before: number) => (now: number) => (now < 1_000 ? before : now);
    const voters = (numbered: boolean) =>
      [
        [B, { heardAt: hears(-100), there: [1], back: [1, 1_000, 1_000], numbered }],
        [C, { heardAt: hears(-100), there: [1], back: [1, 1_000, 1_000], numbered }],
        [D, { heardAt: hears(-2_000), there: [1], back: [950, 2_000], numbered }],
        [E, { heardAt: hears(-2_000), there: [1], back: [1_300, 1_300], numbered }],
      ] as const;
    const alive = run(five, voters(true));
    expect([startedAt(alive), alive.end?.effect]).toMatchObject([undefined, { detail: 'holder_alive' }]);
    // Of agents of before nobody can know: a move that was not needed, by the lease's rules as any other.
    expect(startedAt(run(five, voters(false)))).toBeDefined();
  });
});

const delays = fc.array(fc.oneof({ weight: 3, arbitrary: fc.nat(20) }, { weight: 2, arbitrary: fc.nat(1_200) }), {
  minLength: 4,
  maxLength: 8,
});
const ways = fc.array(fc.record({ there: delays, back: delays }), { minLength: 4, maxLength: 4 });
const lastHeard = fc.array(fc.integer({ min: -2_000, max: -1 }), { minLength: 4, maxLength: 4 });

describe('a move whose answers come as late as they like, in the order of their questions', () => {
  it('is made at once where the holder is dead: nothing late makes it look alive', () => {
    const property = fc.property(ways, lastHeard, fc.boolean(), (way, heard, numbered) => {
      const voters = [B, C, D, E].map((to, i) => [to, { ...way[i]!, heardAt: diedAt(heard[i]!), numbered }] as const);
      expect(run(five, voters).end?.effect).toMatchObject({ outcome: 'moved' });
    });
    fc.assert(property, { numRuns: 500, seed: 4 });
  });

  it('never begins by what was said before its last round, of a holder that was back when that was asked', () => {
    const property = fc.property(ways, lastHeard, fc.nat(3_000), (way, heard, backAt) => {
      const hears = (i: number) => (now: number) =>
        now < backAt ? heard[i]! : backAt + Math.floor((now - backAt) / BEAT_MS) * BEAT_MS;
      const voters = [B, C, D, E].map((to, i) => [to, { ...way[i]!, heardAt: hears(i), numbered: true }] as const);
      const played = run(five, voters);
      const at = startedAt(played);
      const rounds = played.log.filter((l) => l.effect.kind === 'ask' && l.effect.to.length === 4 && l.at <= (at ?? 0));
      if (at !== undefined) expect(rounds.at(-1)!.at).toBeLessThan(backAt);
    });
    fc.assert(property, { numRuns: 500, seed: 4 });
  });
});

import fc from 'fast-check';
import {
  LINGER_MS,
  newMove,
  stepMove,
  type MoveEffect,
  type MoveInput,
  type MovePlan,
  type MoveState,
} from './move.js';
import type { Member } from '../virtual-ip/state.js';

const member = (n: number): Member => ({ instance_id: `instance-${n}`, peer_id: `sdwan_peer-${n}` });
const [A, B, C] = [member(1), member(2), member(3)];
const worker = member(9);

const plan = (more: Partial<MovePlan> = {}): MovePlan => ({
  epoch: 1,
  from: A,
  order: [B, C],
  voters: [A, B, C],
  platformVotes: false,
  members: [A, B, C, worker],
  devices: false,
  planned: false,
  ordered: false,
  ttlMs: 600,
  onlookers: [],
  unheardMs: 620,
  downForMs: 620,
  ...more,
});

/** A world around one move: `answer` says what each effect leads to and after how long. */
const play = (
  start: MovePlan,
  answer: (effect: MoveEffect, now: number) => readonly { readonly after: number; readonly input: MoveInput }[],
) => {
  let state: MoveState = newMove(start, 0);
  const queue: { at: number; seq: number; input: MoveInput }[] = [{ at: 0, seq: 0, input: { kind: 'begin' } }];
  const log: { at: number; effect: MoveEffect }[] = [];
  let seq = 1;
  for (let n = 0; queue.length > 0 && n < 2_000; n++) {
    queue.sort((x, y) => x.at - y.at || x.seq - y.seq);
    const { at, input } = queue.shift()!;
    const step = stepMove(state, input, at);
    state = step.state;
    for (const effect of step.effects) {
      log.push({ at, effect });
      if (effect.kind === 'timer')
        queue.push({ at: at + effect.afterMs, seq: seq++, input: { kind: 'timer', step: effect.step } });
      else
        for (const { after, input: next } of answer(effect, at))
          queue.push({ at: at + after, seq: seq++, input: next });
    }
  }
  const finished = log.filter((l) => l.effect.kind === 'finish');
  return { state, log, finished, kinds: log.map((l) => l.effect.kind), end: finished[0] };
};

type World = {
  readonly dead?: readonly string[];
  readonly heardMsAgo?: (now: number) => number;
  readonly deaf?: readonly string[];
  readonly plan?: MovePlan;
};

const agents =
  ({ dead = [], heardMsAgo = () => 700, deaf = [], plan: { members } = plan() }: World) =>
  (effect: MoveEffect, now: number): { after: number; input: MoveInput }[] => {
    if (effect.kind.startsWith('append_')) return [{ after: 2, input: { kind: 'appended' } }];
    if (effect.kind === 'ask')
      return effect.to
        .filter((m) => !dead.includes(m.instance_id))
        .map((m) => ({
          after: 1,
          input: {
            kind: 'promise',
            from: m.instance_id,
            epoch: effect.epoch,
            heardMsAgo: Math.round(heardMsAgo(now)),
          },
        }));
    if (effect.kind === 'prepare')
      return members
        .filter((m) => !dead.includes(m.instance_id) && !deaf.includes(m.instance_id))
        .map((m) => ({ after: 2, input: { kind: 'ack', from: m.instance_id, epoch: effect.epoch, role: 'prepared' } }));
    if (effect.kind === 'push')
      return effect.to
        .filter((m) => !dead.includes(m.instance_id) && !deaf.includes(m.instance_id))
        .map((m) => ({
          after: 3,
          input: {
            kind: 'ack',
            from: m.instance_id,
            epoch: effect.epoch,
            role: m.instance_id === effect.holder.instance_id ? 'holder' : 'routed',
          },
        }));
    return [];
  };

describe('a move of a virtual IP', () => {
  it('sends devices to the new holder at its first word, once, and goes on when that is on its disk', () => {
    const world = agents({ dead: [A.instance_id] });
    const { log, end } = play(plan({ devices: true }), (effect, now) => {
      if (effect.kind !== 'push' || effect.to[0] !== B) return world(effect, now);
      const said = (role: 'answering' | 'holder', from = B.instance_id) =>
        ({ kind: 'ack', from, epoch: effect.epoch, role }) as const;
      return [
        // Nobody but the new holder can say that.
        { after: 5, input: said('answering', C.instance_id) },
        { after: 10, input: said('answering') },
        { after: 50, input: said('holder') },
      ];
    });
    const [toHolder, toOthers] = log.filter(({ effect }) => effect.kind === 'push');
    const ready = log.filter(({ effect }) => effect.kind === 'holder_ready');
    expect(ready.map(({ at }) => at - toHolder!.at)).toEqual([10]);
    expect(toOthers!.at - toHolder!.at).toBe(50);
    expect(end?.effect).toMatchObject({ outcome: 'moved' });
  });

  it('after a crash asks witnesses, starts, and tells the others only after the new holder answered', () => {
    const { kinds, end, log } = play(plan(), agents({ dead: [A.instance_id] }));
    expect(kinds.filter((k) => k !== 'timer')).toEqual([
      'ask',
      'append_started',
      'prepare',
      'push',
      'holder_ready',
      'push',
      'append_moved',
      'finish',
    ]);
    expect(end?.effect).toMatchObject({ outcome: 'moved' });
    const moved = log.find((l) => l.effect.kind === 'append_moved')!.effect;
    expect(moved).toMatchObject({ epoch: 2, to: B, report: { unacked: [A.peer_id] } });
    // Nobody waits for the dead one.
    expect(end!.at).toBeLessThan(100);
  });

  it('asks again when the holder was heard just before it died, and moves once that beat is out of date', () => {
    const { end, log } = play(plan(), agents({ dead: [A.instance_id], heardMsAgo: (now) => 450 + now }));
    expect(end?.effect).toMatchObject({ outcome: 'moved' });
    expect(log.find((l) => l.effect.kind === 'holder_ready')!.at).toBeLessThan(250);
  });

  it('does not touch a healthy holder whose control link is cut: nobody is told of another one', () => {
    const { end, log } = play(plan(), agents({ dead: [A.instance_id], heardMsAgo: (now) => now % 200 }));
    expect(end?.effect).toMatchObject({ outcome: 'aborted', detail: 'holder_alive' });
    expect(log.map((l) => l.effect.kind)).not.toEqual(expect.arrayContaining(['prepare']));
    expect(log.map((l) => l.effect.kind)).not.toEqual(expect.arrayContaining(['push']));
  });

  it('binds nobody before the move is in the log: voters are asked at the epoch in force only', () => {
    for (const more of [{}, { planned: true }, { ordered: true }]) {
      const { log } = play(plan(more), agents({ dead: Object.keys(more).length === 0 ? [A.instance_id] : [] }));
      expect(log.some((l) => l.effect.kind === 'ask' && l.effect.epoch !== 1)).toBe(false);
    }
  });

  it('in a planned move lets everybody know its part before the move is in the log', () => {
    const { kinds, log } = play(plan({ planned: true }), agents({}));
    expect(kinds.filter((k) => k !== 'timer').slice(0, 3)).toEqual(['prepare', 'ask', 'append_started']);
    expect(log.find((l) => l.effect.kind === 'prepare')!.effect).toMatchObject({ epoch: 2, holder: B, leaving: A });
  });

  it('goes on without a member that does not say that it is prepared, and not without a majority of voters', () => {
    const slow = play(plan({ planned: true }), agents({ deaf: [worker.instance_id] }));
    expect(slow.end?.effect).toMatchObject({ outcome: 'moved' });
    const few = play(plan({ planned: true }), agents({ dead: [B.instance_id, C.instance_id] }));
    expect(few.end?.effect).toMatchObject({ outcome: 'aborted', detail: 'no_majority' });
    expect(few.kinds).not.toContain('append_started');
  });

  it('needs no witness when the holder is to go, and gives the new one the time its grants take to run out', () => {
    const deaf = [B.instance_id];
    const { kinds, log, end } = play(plan({ ordered: true }), agents({ heardMsAgo: () => 5, deaf }));
    expect(kinds.slice(0, 2)).toEqual(['prepare', 'ask']);
    const at = (kind: MoveEffect['kind']) => log.find((l) => l.effect.kind === kind)!.at;
    expect(at('append_failed') - at('push')).toBeGreaterThanOrEqual(1_600);
    expect(end?.effect).toMatchObject({ outcome: 'moved' });
  });

  it('does not tell again who acknowledged at the new holder’s own word', () => {
    const world = agents({});
    const { log, end } = play(plan({ planned: true }), (effect, now) => {
      if (effect.kind !== 'push' || effect.to[0] !== B) return world(effect, now);
      const word = [A, C, worker].map((m) => ({
        after: 1,
        input: { kind: 'ack', from: m.instance_id, epoch: 2, role: 'routed' } as const,
      }));
      return [...word, ...world(effect, now)];
    });
    const pushes = log.flatMap(({ effect }) => (effect.kind === 'push' ? [effect.to.map((m) => m.instance_id)] : []));
    expect(pushes).toEqual([[B.instance_id], [A.instance_id]]);
    expect(end?.effect).toMatchObject({ outcome: 'moved' });
    // Devices are told at the first sign that the new holder answers, and once.
    const ready = log.filter(({ effect }) => effect.kind === 'holder_ready');
    const told = log.find(({ effect }) => effect.kind === 'push')!;
    expect(ready.map(({ at }) => at - told.at)).toEqual([1]);
  });

  it('moves nothing without a majority', () => {
    const { end, kinds } = play(plan(), agents({ dead: [A.instance_id, C.instance_id] }));
    expect(end?.effect).toMatchObject({ outcome: 'aborted', detail: 'no_majority' });
    expect(kinds).not.toContain('append_started');
  });

  it('with two candidates and the platform voting still needs the survivor as a witness', () => {
    const two = { voters: [A, B], platformVotes: true, order: [B] };
    expect(play(plan(two), agents({ dead: [A.instance_id] })).end?.effect).toMatchObject({ outcome: 'moved' });
    expect(play(plan(two), agents({ dead: [A.instance_id, B.instance_id] })).end?.effect).toMatchObject({
      outcome: 'aborted',
    });
  });

  it('lets the old holder answer devices a moment longer, who have no agent that could acknowledge', () => {
    const at = (devices: boolean) => {
      const { log, end } = play(plan({ planned: true, devices }), agents({}));
      expect(end?.effect).toMatchObject({ outcome: 'moved' });
      const pushes = log.filter(({ effect }) => effect.kind === 'push' && effect.to[0] === A);
      const ready = log.find(({ effect }) => effect.kind === 'holder_ready')!;
      return pushes.at(-1)!.at - ready.at;
    };
    expect(at(false)).toBeLessThan(10);
    expect(at(true)).toBeGreaterThanOrEqual(LINGER_MS);
    // Less than what is left of the lease that the old holder has given back.
    expect(LINGER_MS).toBeLessThan(600 - 200);
  });

  it('in a drain makes before it breaks: new holder, reset at the old one, the others, and the old one lets go last', () => {
    const { log, end } = play(plan({ planned: true, downForMs: 0 }), agents({}));
    const pushes = log.flatMap(({ effect }) =>
      effect.kind === 'push' ? [[effect.to.map((m) => m.instance_id), effect.releaseAfterMove]] : [],
    );
    expect(pushes).toEqual([
      [[B.instance_id], false],
      [[A.instance_id], true],
      [[C.instance_id, worker.instance_id], false],
      [[A.instance_id], false],
    ]);
    expect(end?.effect).toMatchObject({ outcome: 'moved' });
    expect(log.find((l) => l.effect.kind === 'append_moved')!.effect).toMatchObject({
      report: { outageEstimateMs: 0, unacked: [] },
    });
  });

  it('goes on to the next candidate, under a new epoch, when one does not take the address', () => {
    const { log, end } = play(plan(), agents({ dead: [A.instance_id], deaf: [B.instance_id] }));
    const started = log.flatMap(({ effect }) =>
      effect.kind === 'append_started' ? [[effect.epoch, effect.to.instance_id]] : [],
    );
    expect(started).toEqual([
      [2, B.instance_id],
      [3, C.instance_id],
    ]);
    expect(end?.effect).toMatchObject({ outcome: 'moved' });
  });

  it('in a drain gives the address back to the old holder as a last resort, and strands it in a crash', () => {
    const deaf = [B.instance_id, C.instance_id];
    const back = play(plan({ planned: true }), agents({ deaf }));
    expect(back.end?.effect).toMatchObject({ outcome: 'moved', detail: A.instance_id });
    const lost = play(plan(), agents({ dead: [A.instance_id], deaf }));
    expect(lost.end?.effect).toMatchObject({ outcome: 'stranded' });
  });

  it('strands nothing whose holder is only out of sight: witnesses first, also when nobody could take it', () => {
    const nobody = plan({ order: [] });
    const alive = play(nobody, agents({ dead: [A.instance_id], heardMsAgo: (now) => now % 200 }));
    expect(alive.end?.effect).toMatchObject({ outcome: 'aborted', detail: 'holder_alive' });
    expect(play(nobody, agents({ dead: [A.instance_id] })).end?.effect).toMatchObject({ outcome: 'stranded' });
    const lone = (heardMsAgo: number, more: Partial<MovePlan> = {}) =>
      play(
        plan({ order: [], voters: [A], onlookers: [worker], ...more }),
        agents({ dead: [A.instance_id], heardMsAgo: () => heardMsAgo }),
      ).end?.effect;
    expect(lone(0)).toMatchObject({ outcome: 'aborted', detail: 'holder_alive' });
    expect(lone(-1)).toMatchObject({ outcome: 'stranded' });
    expect(lone(-1, { onlookers: [] })).toMatchObject({ outcome: 'aborted', detail: 'no_witness' });
    expect(lone(-1, { onlookers: [], unheardMs: 30_000 })).toMatchObject({ outcome: 'stranded' });
    const removed = play(plan({ order: [], ordered: true, voters: [] }), agents({}));
    expect(removed.end?.effect).toMatchObject({ outcome: 'stranded' });
  });

  it('finishes what an earlier life of the platform began, under the same epoch', () => {
    const { log, end } = play(plan({ epoch: 2, resume: { epoch: 2, to: B } }), agents({ dead: [A.instance_id] }));
    expect(log[0]!.effect).toMatchObject({ kind: 'prepare', epoch: 2, holder: B });
    expect(log[1]!.effect).toMatchObject({ kind: 'push', epoch: 2, holder: B });
    expect(end?.effect).toMatchObject({ outcome: 'moved' });
  });

  it('writes nothing to a resumed move whose target does not answer while a witness hears it, or too few answer', () => {
    const resumed = plan({ epoch: 2, order: [], resume: { epoch: 2, to: B } });
    const away = [A.instance_id, B.instance_id];
    const written = (kinds: readonly string[]) => kinds.filter((kind) => kind.startsWith('append_'));
    const four = { voters: [A, B, C, worker], platformVotes: true };
    const heard = play({ ...resumed, ...four }, agents({ dead: away, heardMsAgo: (now) => now % 200 }));
    expect(heard.end?.effect).toMatchObject({ outcome: 'aborted', detail: 'holder_alive' });
    expect(written(heard.kinds)).toEqual([]);
    const few = play(resumed, agents({ dead: away }));
    expect(few.end?.effect).toMatchObject({ outcome: 'aborted', detail: 'no_majority' });
    expect(written(few.kinds)).toEqual([]);
  });

  it('strands nothing in an ordered move that nobody answered, as long as somebody is heard to hold it', () => {
    const deaf = [B.instance_id, C.instance_id];
    const ordered = play(plan({ ordered: true }), agents({ dead: [A.instance_id], deaf, heardMsAgo: (n) => n % 200 }));
    expect(ordered.end?.effect).toMatchObject({ outcome: 'aborted', detail: 'holder_alive' });
    expect(ordered.kinds).not.toContain('append_stranded');
  });

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

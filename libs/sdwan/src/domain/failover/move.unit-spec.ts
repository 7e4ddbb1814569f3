import { agents, A, B, C, member, plan, play, worker } from '../testing/move-world.js';
import { LINGER_MS, type MoveEffect, type MovePlan } from './move.js';

describe('a move of a virtual IP', () => {
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

  it('waits for no answer of a voter that has no stream, and needs a majority all the same', () => {
    const [D, E] = [member(4), member(5)];
    const five = { voters: [A, B, C, D, E], order: [B, C, D, E] };
    const begun = (more: Partial<MovePlan>, dead: string[]) => {
      const { log, end } = play(plan({ ...five, ...more }), agents({ dead }));
      const started = log.find((l) => l.effect.kind === 'append_started')?.at;
      return { started, outcome: end!.effect };
    };
    const away = [A, E].map((m) => m.instance_id);
    // It was there when the move began, and may be on its way.
    expect(begun({ members: [B, C, D, E, worker] }, away).started).toBeGreaterThanOrEqual(300);
    expect(begun({ members: [B, C, D, worker] }, away).started).toBeLessThan(50);
    const ordered = plan({ ...five, ordered: true, members: [B, C, D, worker] });
    const log = play(ordered, agents({ dead: away, plan: ordered })).log;
    expect(log.find((l) => l.effect.kind === 'append_started')!.at).toBeLessThan(50);
    const few = begun(
      { members: [B, C, worker] },
      [A, D, E].map((m) => m.instance_id),
    );
    expect(few).toMatchObject({ started: undefined, outcome: { outcome: 'aborted', detail: 'no_majority' } });
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
});

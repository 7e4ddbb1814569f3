import { agents, A, B, C, plan, play, worker } from '../testing/move-world.js';
import type { MoveEffect, MoveInput } from './move.js';

const said = (role: 'answering' | 'holder', epoch: number, from = B.instance_id): MoveInput => ({
  kind: 'ack',
  from,
  epoch,
  role,
});
const started = (log: readonly { readonly effect: MoveEffect }[]) =>
  log.flatMap(({ effect }) => (effect.kind === 'append_started' ? [effect.epoch] : []));

describe('a move of a virtual IP among nodes that are busy', () => {
  it('goes on at the new holder’s first word, tells devices once, and is complete when that is on its disk', () => {
    const world = agents({ dead: [A.instance_id] });
    const { log, end } = play(plan({ devices: true }), (effect, now) => {
      if (effect.kind !== 'push' || effect.to[0] !== B) return world(effect, now);
      return [
        // Nobody but the new holder can say that.
        { after: 5, input: said('answering', effect.epoch, C.instance_id) },
        { after: 10, input: said('answering', effect.epoch) },
        { after: 50, input: said('holder', effect.epoch) },
      ];
    });
    const [toHolder, toOthers] = log.filter(({ effect }) => effect.kind === 'push');
    const ready = log.filter(({ effect }) => effect.kind === 'holder_ready');
    expect(ready.map(({ at }) => at - toHolder!.at)).toEqual([10]);
    expect(toOthers!.at - toHolder!.at).toBe(10);
    const moved = log.find(({ effect }) => effect.kind === 'append_moved')!;
    expect(moved.at - toHolder!.at).toBe(50);
    expect(moved.effect).toMatchObject({ report: { unacked: [A.peer_id] } });
    expect(end?.effect).toMatchObject({ outcome: 'moved' });
  });

  it('does not move again because the new holder, which answers, is slow to write it down', () => {
    for (const more of [{ planned: true }, { ordered: true }, {}]) {
      const world = agents({ dead: 'planned' in more ? [] : [A.instance_id] });
      const { log, end } = play(plan(more), (effect, now) => {
        if (effect.kind !== 'push' || effect.to[0] !== B) return world(effect, now);
        return [
          { after: 30, input: said('answering', effect.epoch) },
          { after: 5_000, input: said('holder', effect.epoch) },
        ];
      });
      expect(started(log)).toEqual([2]);
      expect(end?.effect).toMatchObject({ outcome: 'moved', detail: B.instance_id });
      // Of whom it is not known that it has it on disk.
      const moved = log.find(({ effect }) => effect.kind === 'append_moved')!.effect;
      expect(moved).toMatchObject({ report: { unacked: expect.arrayContaining([B.peer_id]) as string[] } });
    }
  });

  it('does not take a slow answer of a witness for a later beat of the holder', () => {
    const late = (effect: MoveEffect, now: number) =>
      agents({ dead: [A.instance_id], heardMsAgo: (at) => 550 + at })(effect, now).map(({ after, input }) => ({
        // Told at once, heard 150 ms later: the platform or its network was busy.
        after: effect.kind === 'ask' && now > 0 ? after + 150 : after,
        input,
      }));
    const { end, log } = play(plan(), late);
    expect(end?.effect).toMatchObject({ outcome: 'moved' });
    expect(started(log)).toEqual([2]);
  });

  it('waits for a witness that is away for a moment, and gives up on one that stays away', () => {
    const away = (ms: number) =>
      play(plan(), (effect, now) =>
        agents({ dead: [A.instance_id] })(effect, now).map(({ after, input }) => ({
          after: input.kind === 'promise' && input.from === C.instance_id ? after + ms : after,
          input,
        })),
      );
    const slow = away(700);
    expect(slow.end?.effect).toMatchObject({ outcome: 'moved' });
    expect(slow.log.find(({ effect }) => effect.kind === 'append_started')!.at).toBeLessThan(800);
    expect(away(60_000).end?.effect).toMatchObject({ outcome: 'aborted', detail: 'no_majority' });
  });

  it('leaves a living holder alone when one witness is away for longer than the lease and wakes up having heard nobody', () => {
    const { end, log } = play(plan(), (effect, now) => {
      if (effect.kind !== 'ask') return agents({ dead: [A.instance_id] })(effect, now);
      const answer = (from: string, after: number, heardMsAgo: number): { after: number; input: MoveInput } => ({
        after,
        input: { kind: 'promise', from, epoch: effect.epoch, heardMsAgo },
      });
      // What B said is as old as C's sleep when C's answer comes; A has gone on beating all the time.
      return [answer(B.instance_id, 2, 50), answer(C.instance_id, now === 0 ? 900 : 2, now === 0 ? 950 : 100)];
    });
    expect(started(log)).toEqual([]);
    expect(end?.effect).toMatchObject({ outcome: 'aborted', detail: 'holder_alive' });
  });

  it('leaves a holder alone that is heard again while a slow witness is waited for, and is not slower for it otherwise', () => {
    // C tells after 2.4 s what it knew at once; A is back after one.
    const slow = (back: boolean) =>
      play(plan(), (effect, now) =>
        agents({ dead: [A.instance_id], heardMsAgo: (at) => (back && at > 1_000 ? at % 200 : 700 + at) })(
          effect,
          now,
        ).map(({ after, input }) => ({
          after: input.kind === 'promise' && input.from === C.instance_id ? after + 2_400 : after,
          input,
        })),
      );
    const alive = slow(true);
    expect([started(alive.log), alive.end?.effect]).toMatchObject([[], { outcome: 'aborted' }]);
    const dead = slow(false);
    expect(dead.end?.effect).toMatchObject({ outcome: 'moved' });
    expect(dead.log.find(({ effect }) => effect.kind === 'append_started')!.at).toBe(2_401);
  });

  it('goes on at the new holder’s word also when that comes while witnesses are asked about it, and moves once', () => {
    for (const role of ['answering', 'holder'] as const) {
      const heardMsAgo = (now: number) => (now < 1_000 ? 700 : now % 200);
      const world = agents({ dead: [A.instance_id], heardMsAgo });
      const { log, end } = play(plan({ devices: true }), (effect, now) =>
        effect.kind === 'push' && effect.to[0] === B
          ? [
              { after: 1_300, input: said(role, effect.epoch) },
              { after: 1_350, input: said('holder', effect.epoch) },
            ]
          : world(effect, now),
      );
      const told = log.find(({ effect }) => effect.kind === 'push')!.at;
      expect(log.find(({ effect }) => effect.kind === 'holder_ready')?.at).toBe(told + 1_300);
      expect(started(log)).toEqual([2]);
      expect(end?.effect).toMatchObject({ outcome: 'moved', detail: B.instance_id });
    }
  });

  it('does not wait for the dead holder to prepare itself when the second in line is to take the address', () => {
    const { log, end } = play(plan(), (effect, now) =>
      agents({ dead: [A.instance_id], deaf: effect.kind === 'prepare' ? [] : [B.instance_id] })(effect, now),
    );
    const at = (kind: MoveEffect['kind'], n: number) => log.filter(({ effect }) => effect.kind === kind)[n]!.at;
    expect(at('append_started', 1) - at('append_failed', 0)).toBeLessThan(20);
    expect(end?.effect).toMatchObject({ outcome: 'moved', detail: C.instance_id });
    expect(log.some(({ effect }) => effect.kind === 'push' && effect.to.includes(worker))).toBe(true);
  });
});

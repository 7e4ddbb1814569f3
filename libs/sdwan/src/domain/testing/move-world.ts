import { newMove, stepMove, type MoveEffect, type MoveInput, type MovePlan, type MoveState } from '../failover/move.js';
import type { Member } from '../virtual-ip/state.js';

export const member = (n: number): Member => ({ instance_id: `instance-${n}`, peer_id: `sdwan_peer-${n}` });
export const [A, B, C] = [member(1), member(2), member(3)] as const;
export const worker = member(9);

export const plan = (more: Partial<MovePlan> = {}): MovePlan => ({
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
export const play = (
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

interface World {
  readonly dead?: readonly string[];
  readonly heardMsAgo?: (now: number) => number;
  readonly deaf?: readonly string[];
  readonly plan?: MovePlan;
}

export const agents =
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
            question: effect.question,
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

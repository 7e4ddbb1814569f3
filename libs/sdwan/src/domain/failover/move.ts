import { assertNever } from '#kernel';
import { sameMember, type Member } from '../virtual-ip/state.js';
import { enter, finish } from './move-steps.js';
import {
  askWitnesses,
  failed,
  evaluatePrepared,
  evaluateWitnesses,
  leaving,
  onReply,
  prepare,
  prepareEffect,
  strand,
} from './move-votes.js';
import {
  HOLDER_DEADLINE_MS,
  LINGER_MS,
  PLANNED_HOLDER_DEADLINE_MS,
  RELEASE_DEADLINE_MS,
  RESET_MS,
  SPREAD_DEADLINE_MS,
  type MoveEffect,
  type MoveInput,
  type MovePlan,
  type MoveState,
  type MoveStep,
  type Phase,
} from './move-types.js';

export * from './move-types.js';

export const newMove = (plan: MovePlan, nowMs: number): MoveState => ({
  plan,
  phase: 'new',
  step: 0,
  beganMs: nowMs,
  startedMs: nowMs,
  epoch: plan.resume?.epoch ?? plan.epoch + 1,
  candidate: 0,
  order:
    plan.resume === undefined
      ? plan.order
      : [plan.resume.to, ...plan.order.filter((m) => !sameMember(m, plan.resume!.to))],
  replies: new Map(),
  firstReplies: new Map(),
  questions: new Map(),
  question: 0,
  rounds: 0,
  unheard: 0,
  unanswered: false,
  acks: new Map(),
  answeredMs: undefined,
  announced: false,
  prepared: new Set(),
});

/**
 * One move of a virtual IP, from the witnesses to the last ack. Pure: the caller carries out the effects in order and feeds
 * back what happens. Whatever is lost or late, every phase has a deadline, so that a move always ends.
 */
export const stepMove = (state: MoveState, input: MoveInput, nowMs: number): MoveStep => {
  if (state.phase === 'over') return { state, effects: [] };
  switch (input.kind) {
    case 'begin':
      return state.phase === 'new' ? begin(state, nowMs) : { state, effects: [] };
    case 'promise':
      return onReply(state, input, nowMs);
    case 'timer':
      return input.step === state.step ? onDeadline(state, nowMs) : { state, effects: [] };
    case 'appended':
      return onAppended(state, nowMs);
    case 'append_refused':
      return finish(state, 'aborted', input.reason);
    case 'ack':
      return input.epoch === state.epoch ? onAck(state, input, nowMs) : { state, effects: [] };
    case 'holder_back':
      return isAsking(state.phase) && !state.plan.planned && !state.plan.ordered
        ? finish(state, 'aborted', 'holder_back')
        : { state, effects: [] };
    default:
      return assertNever(input);
  }
};

const isAsking = (phase: Phase) => phase === 'witnessing' || phase === 'rechecking';

/** The candidate has been told, and may say at any moment that it answers: also while witnesses are asked because it has not. */
const awaitsWord = ({ phase, unanswered }: MoveState) => phase === 'holding' || (unanswered && isAsking(phase));

const begin = (state: MoveState, nowMs: number): MoveStep => {
  const { resume, planned, ordered, from } = state.plan;
  if (resume !== undefined) return hold(state, nowMs);
  if (state.order.length === 0) return withoutCandidate(state, nowMs);
  return planned || ordered || from === null ? prepare(state, nowMs) : askWitnesses(state, nowMs);
};

/**
 * Peers of a stranded VIP are told that it cannot be reached, so nobody strands one whose holder may only be out of the
 * platform's sight: it has been removed, or witnesses say that it is dead.
 */
const withoutCandidate = (state: MoveState, nowMs: number): MoveStep => {
  const { from, planned, ordered, voters } = state.plan;
  if (from === null || planned) return finish(state, 'aborted', 'no_candidate');
  if (ordered && !voters.some((voter) => sameMember(voter, from))) return strand(state);
  return askWitnesses(state, nowMs);
};

const target = (state: MoveState) => state.order[state.candidate]!;

const hold = (state: MoveState, nowMs: number): MoveStep => {
  const to = target(state);
  const push: MoveEffect = { kind: 'push', epoch: state.epoch, holder: to, to: [to], releaseAfterMove: false };
  // Who was prepared before the start is told by the new holder; after a crash everybody is while it asks for its lease.
  const parts = state.prepared.size === 0 ? [prepareEffect(state)] : [];
  const deadlineMs = state.plan.planned ? PLANNED_HOLDER_DEADLINE_MS : HOLDER_DEADLINE_MS;
  return enter({ ...state, startedMs: nowMs }, 'holding', [...parts, push], deadlineMs + waitMs(state));
};

/** What others were granted has to run out first, unless witnesses have seen to that or the old holder gives it back. */
const waitMs = ({ plan, candidate }: MoveState): number =>
  candidate > 0 || plan.resume !== undefined || (plan.ordered && !plan.planned) ? plan.ttlMs : 0;

const onAppended = (state: MoveState, nowMs: number): MoveStep => {
  switch (state.phase) {
    case 'starting':
      return hold(state, nowMs);
    case 'failing':
      return nextCandidate(state, nowMs);
    case 'completing':
      return finish(state, 'moved', target(state).instance_id);
    case 'stranding':
      return finish(state, 'stranded', 'no_candidate');
    default:
      return { state, effects: [] };
  }
};

const onDeadline = (state: MoveState, nowMs: number): MoveStep => {
  switch (state.phase) {
    case 'witnessing':
      return evaluateWitnesses(state, nowMs, true);
    case 'rechecking':
      return askWitnesses(state, nowMs);
    case 'preparing':
      return evaluatePrepared(state, true);
    case 'holding': {
      const unanswered = { ...state, unanswered: true, rounds: 0, unheard: 0 };
      // It may answer for the address without the platform seeing it: nothing is written before witnesses deny that.
      return state.plan.planned || state.plan.ordered ? failed(unanswered) : askWitnesses(unanswered, nowMs);
    }
    case 'resetting':
      return spread(state);
    case 'spreading':
      return linger(state);
    case 'lingering':
      return release(state);
    case 'releasing':
      return complete(state);
    default:
      return { state, effects: [] };
  }
};

/** The next one in line; as the last resort of a planned move the old holder itself, which still lives. */
const nextCandidate = (state: MoveState, nowMs: number): MoveStep => {
  const { from, planned } = state.plan;
  const tried = state.order.slice(0, state.candidate + 1);
  const back = planned && from !== null && !state.order.some((m) => sameMember(m, from)) ? [from] : [];
  const order = [...state.order, ...(tried.length === state.order.length ? back : [])];
  const next = {
    ...state,
    order,
    candidate: state.candidate + 1,
    epoch: state.epoch + 1,
    acks: new Map<string, number>(),
    answeredMs: undefined,
    announced: false,
    unanswered: false,
    rounds: 0,
    unheard: 0,
  };
  if (next.candidate < order.length) return prepare(next, nowMs);
  // Whoever did not answer may hold it all the same; it is stranded when witnesses say that nobody does.
  return next.plan.voters.length < 2 ? finish(next, 'aborted', 'no_candidate') : askWitnesses(next, nowMs);
};

const onAck = (state: MoveState, input: Extract<MoveInput, { kind: 'ack' }>, nowMs: number): MoveStep => {
  if (input.role === 'prepared') {
    const prepared = { ...state, prepared: new Set(state.prepared).add(input.from) };
    return state.phase === 'preparing' ? evaluatePrepared(prepared, false) : { state: prepared, effects: [] };
  }
  // Its word from before it has all on disk. A slow disk or a busy node must not make it look like one that does not answer:
  // another move would then reset every connection once more.
  if (input.role === 'answering')
    return awaitsWord(state) && input.from === target(state).instance_id
      ? held({ ...state, answeredMs: nowMs })
      : { state, effects: [] };
  const known = { ...state, acks: new Map(state.acks).set(input.from, nowMs) };
  switch (awaitsWord(state) ? 'holding' : state.phase) {
    case 'holding':
      if (input.from === target(state).instance_id && input.role === 'holder') return held(known);
      // Nobody but the new holder itself can have told the others: it answers, also if its own word is not here yet.
      return input.role === 'routed' ? announce(known) : { state: known, effects: [] };
    case 'resetting':
      return input.from === state.plan.from?.instance_id ? spread(known) : { state: known, effects: [] };
    case 'spreading':
      return awaited(state).every((m) => known.acks.has(m.instance_id)) ? linger(known) : { state: known, effects: [] };
    case 'lingering':
      return { state: known, effects: [] };
    case 'releasing':
      return input.from === state.plan.from?.instance_id ? complete(known) : { state: known, effects: [] };
    default:
      return { state, effects: [] };
  }
};

/** Devices, which follow the platform, are sent to the new holder: once. */
const announce = (state: MoveState): MoveStep => ({
  state: { ...state, announced: true },
  effects: state.announced ? [] : [{ kind: 'holder_ready', epoch: state.epoch, holder: target(state) }],
});

const held = (before: MoveState): MoveStep => {
  const { state, effects: ready } = announce(before);
  const old = leaving(state);
  if (old === undefined || state.acks.has(old.instance_id)) {
    const next = spread(state);
    return { state: next.state, effects: [...ready, ...next.effects] };
  }
  // It resets its connections while clients still accept resets from there, and yields its lease.
  const push: MoveEffect = {
    kind: 'push',
    epoch: state.epoch,
    holder: target(state),
    to: [old],
    releaseAfterMove: true,
  };
  return enter(state, 'resetting', [...ready, push], RESET_MS);
};

const others = (state: MoveState) =>
  state.plan.members.filter(
    (m) => m.instance_id !== target(state).instance_id && m.instance_id !== leaving(state)?.instance_id,
  );

/** The holder of before a crash is told too, but nobody waits for it. The new one acknowledges what it has on disk. */
const awaited = (state: MoveState) => [
  target(state),
  ...others(state).filter((m) => state.plan.planned || m.instance_id !== state.plan.from?.instance_id),
];

/** Those that have not acknowledged yet; most have, at the new holder's word. */
const spread = (state: MoveState): MoveStep => {
  const to = others(state).filter((m) => !state.acks.has(m.instance_id));
  const tell = { kind: 'push', epoch: state.epoch, holder: target(state), to, releaseAfterMove: false } as const;
  const push = to.length === 0 ? [] : [tell];
  if (!awaited(state).every((m) => state.acks.has(m.instance_id)))
    return enter(state, 'spreading', push, SPREAD_DEADLINE_MS);
  const next = linger(state);
  return { state: next.state, effects: [...push, ...next.effects] };
};

/** Devices learn of the new holder over a feed and take a while; until then the old one answers them as well. */
const linger = (state: MoveState): MoveStep =>
  state.plan.devices && leaving(state) !== undefined ? enter(state, 'lingering', [], LINGER_MS) : release(state);

const release = (state: MoveState): MoveStep => {
  const old = leaving(state);
  if (old === undefined) return complete(state);
  const acks = new Map(state.acks);
  acks.delete(old.instance_id);
  const push: MoveEffect = {
    kind: 'push',
    epoch: state.epoch,
    holder: target(state),
    to: [old],
    releaseAfterMove: false,
  };
  return enter({ ...state, acks }, 'releasing', [push], RELEASE_DEADLINE_MS);
};

const complete = (state: MoveState): MoveStep => {
  const asked = [target(state), ...others(state), ...(leaving(state) === undefined ? [] : [leaving(state)!])];
  const acked = asked.filter((m) => state.acks.has(m.instance_id));
  const answeredMs = (m: Member) =>
    m.instance_id === target(state).instance_id ? state.answeredMs : state.acks.get(m.instance_id);
  const last = Math.max(state.startedMs, ...asked.map((m) => answeredMs(m) ?? state.acks.get(m.instance_id) ?? 0));
  const report = {
    acksMs: Object.fromEntries(
      acked.map((m) => [m.peer_id, Math.round(state.acks.get(m.instance_id)! - state.startedMs)]),
    ),
    unacked: asked.filter((m) => !state.acks.has(m.instance_id)).map((m) => m.peer_id),
    // Make before break: somebody answered all the time, unless a member never moved.
    outageEstimateMs: state.plan.planned ? 0 : Math.round(state.plan.downForMs + (last - state.beganMs)),
  };
  return enter(state, 'completing', [{ kind: 'append_moved', epoch: state.epoch, to: target(state), report }]);
};

import { sameMember, type Member } from '../virtual-ip/state.js';
import { enter, finish } from './move-steps.js';
import {
  ASK_MS,
  LOOK_MS,
  UNHEARD_LIMIT_MS,
  type MoveEffect,
  type MoveInput,
  type MoveState,
  type MoveStep,
} from './move-types.js';

/** The way of the answer is in `left` already. */
const RECHECK_MARGIN_MS = 2;
/** Voters tell whole milliseconds. */
const ROUNDING_MS = 1;
const MAX_ROUNDS = 4;
/**
 * Witnesses that are as busy as everybody after a crash, or that are reached by a slow way (1.2 s each way), are waited for this
 * often: the next try would ask anew, and take no notice of the answers that are on their way.
 */
const MAX_WAITS = 8;

/** Voters without a lease are nobody: a single candidate cannot be taken over from. */
const hasLease = (state: MoveState): boolean => state.plan.voters.length >= 2;

const quorum = (state: MoveState): number =>
  Math.floor((state.plan.voters.length + (state.plan.platformVotes ? 1 : 0)) / 2) + 1;

/**
 * In a crash the silent holder is not asked; in a planned move it promises like everybody else. A lone holder has no voters:
 * other members of the network are asked whether its VIP answers them.
 */
const asked = (state: MoveState) =>
  !hasLease(state)
    ? state.plan.onlookers
    : state.plan.planned
      ? state.plan.voters
      : state.plan.voters.filter((voter) => !sameMember(voter, state.plan.from));

/**
 * Nobody waits for the answer of one that has no stream: it cannot come. A majority is needed all the same, and one that denies
 * to have heard the holder leaves it none, whatever the others know; without one the deadline shows whether they come back.
 */
const isAwaited = (state: MoveState) => (voter: Member) =>
  !state.replies.has(voter.instance_id) && state.plan.members.some((member) => sameMember(member, voter));

/**
 * Voters are asked at the epoch in force, which changes nothing at them: it only tells whether they are there and whether they
 * still hear the holder. What binds them is the new holder's own first beat, once the move is in the log and everybody knows
 * its part; so a platform that dies before has changed nothing, and one that dies after is not needed any more.
 */
export const askWitnesses = (state: MoveState, nowMs: number): MoveStep => {
  if (!hasLease(state)) return state.order.length > 0 ? start(state) : askOnlookers(state, nowMs);
  const next = newRound({ ...state, rounds: state.rounds + 1 }, nowMs);
  return enter(next, 'witnessing', [ask(next, asked(next))], ASK_MS);
};

const newRound = (state: MoveState, nowMs: number): MoveState =>
  newQuestion({ ...state, replies: new Map(), questions: new Map() }, nowMs);

const newQuestion = (state: MoveState, nowMs: number): MoveState => {
  const question = state.question + 1;
  return { ...state, question, questions: new Map(state.questions).set(question, nowMs) };
};

const ask = ({ plan, question }: MoveState, to: readonly Member[]): MoveEffect => ({
  ...{ kind: 'ask', epoch: plan.epoch, question, to },
});

const askOnlookers = (state: MoveState, nowMs: number): MoveStep => {
  const to = asked(state);
  const round = newRound(state, nowMs);
  const next = enter(round, 'witnessing', [ask(round, to)], LOOK_MS);
  return to.length === 0 ? evaluateOnlookers(next.state, true) : next;
};

/** Whoever gets an answer from the VIP saves it. If nobody could look, silence has to last longer to be believed. */
const evaluateOnlookers = (state: MoveState, deadline: boolean): MoveStep => {
  const looks = [...state.replies.values()];
  if (looks.some(({ notAfterMs }) => notAfterMs !== -Infinity)) return finish(state, 'aborted', 'holder_alive');
  if (looks.length < asked(state).length && !deadline) return { state, effects: [] };
  const believed = looks.length > 0 || state.plan.unheardMs >= UNHEARD_LIMIT_MS;
  return believed ? strand(state) : finish(state, 'aborted', 'no_witness');
};

/** Nobody has to be dead here, but a majority has to be there, and all should know what is coming. */
export const prepare = (state: MoveState, nowMs: number): MoveStep => {
  const next = newRound({ ...state, prepared: new Set<string>(), unheard: 0 }, nowMs);
  return enter(next, 'preparing', [prepareEffect(next), ask(next, hasLease(next) ? asked(next) : [])], ASK_MS);
};

export const prepareEffect = (state: MoveState): MoveEffect => ({
  kind: 'prepare',
  epoch: state.epoch,
  holder: state.order[state.candidate]!,
  leaving: leaving(state) ?? null,
});

/** The old holder, where it takes part and is not the new one. */
export const leaving = ({ plan, order, candidate }: MoveState) =>
  plan.planned && plan.from !== null && !sameMember(plan.from, order[candidate]!) ? plan.from : undefined;

export const onReply = (state: MoveState, input: Extract<MoveInput, { kind: 'promise' }>, nowMs: number): MoveStep => {
  const asking = state.phase === 'witnessing' || state.phase === 'preparing';
  if (!asking || input.epoch !== state.plan.epoch || !asked(state).some((voter) => voter.instance_id === input.from))
    return { state, effects: [] };
  if (!hasLease(state) && input.looked === false) return { state, effects: [] };
  const askedMs = input.question === undefined ? -Infinity : state.questions.get(input.question);
  // It says what was so before this round was asked for, and the answer that is waited for is still to come.
  if (askedMs === undefined) return { state, effects: [] };
  const agoMs = input.heardMsAgo < 0 ? Infinity : input.heardMsAgo;
  const heard = { notBeforeMs: askedMs - agoMs, notAfterMs: nowMs - agoMs, agoMs, atMs: nowMs };
  const next = { ...state, replies: new Map(state.replies).set(input.from, heard) };
  return state.phase === 'witnessing' ? evaluateWitnesses(next, nowMs, false) : evaluatePrepared(next, false);
};

/** All of them, or at the deadline a majority of the voters; who is not prepared by then is told later. */
export const evaluatePrepared = (state: MoveState, deadline: boolean): MoveStep => {
  const voters = hasLease(state) ? asked(state) : [];
  // Who is gone, or was never told that it is to go, is not waited for.
  const members = state.plan.members.filter((m) => state.plan.planned || !sameMember(m, state.plan.from));
  const all = !voters.some(isAwaited(state)) && members.every((member) => state.prepared.has(member.instance_id));
  if (!all && !deadline) return { state, effects: [] };
  const votes = state.replies.size + (state.plan.platformVotes ? 1 : 0);
  if (voters.length === 0 || votes >= quorum(state)) return start(state);
  if (!deadline) return { state, effects: [] };
  return state.unheard < MAX_WAITS
    ? enter({ ...state, unheard: state.unheard + 1 }, 'preparing', [], ASK_MS)
    : finish(state, 'aborted', 'no_majority');
};

/** Every voter that can answer has the say; at the deadline those that did. */
export const evaluateWitnesses = (state: MoveState, nowMs: number, deadline: boolean): MoveStep => {
  if (!hasLease(state)) return evaluateOnlookers(state, deadline);
  const answers = [...state.replies.values()];
  const few = answers.length === 0 || answers.length + (state.plan.platformVotes ? 1 : 0) < quorum(state);
  if (!deadline && (few || asked(state).some(isAwaited(state)))) return { state, effects: [] };
  if (few && state.unheard < MAX_WAITS) return askAgain({ ...state, unheard: state.unheard + 1 }, nowMs);
  if (few) return finish(state, 'aborted', 'no_majority');
  if (state.rounds > 1 && beatsStill(state)) return finish(state, 'aborted', 'holder_alive');
  // An answer is of the moment it was given, however long others were waited for since: who had heard it then may hear it now.
  if (answers.every(({ agoMs }) => agoMs >= state.plan.ttlMs)) return start(state);
  if (state.rounds >= MAX_ROUNDS) return finish(state, 'aborted', 'holder_alive');
  // It was heard within the TTL, perhaps just before it died: ask again when that beat can no longer count.
  const left = Math.max(...answers.map(({ notAfterMs }) => notAfterMs)) + state.plan.ttlMs - nowMs;
  const firstReplies = state.rounds <= 1 ? state.replies : state.firstReplies;
  return enter({ ...state, firstReplies }, 'rechecking', [], Math.max(0, left) + RECHECK_MARGIN_MS);
};

/**
 * What others said long before the one that is waited for answers: the holder may have come back to them since. Their new answer
 * takes the place of the old one, and nobody waits for it.
 */
const askAgain = (state: MoveState, nowMs: number): MoveStep => {
  const to = asked(state).filter(({ instance_id }) => {
    const reply = state.replies.get(instance_id);
    return reply !== undefined && nowMs - reply.atMs > state.plan.ttlMs;
  });
  const next = to.length === 0 ? state : newQuestion(state, nowMs);
  return enter(next, 'witnessing', to.length === 0 ? [] : [ask(next, to)], ASK_MS);
};

/**
 * Somebody has heard a later beat than the one it told of first, however long the two answers took. Merely having waited
 * for an answer (the platform or the voter was busy for a moment) proves nothing, and must not put the move off by a second.
 */
const beatsStill = ({ replies, firstReplies }: MoveState): boolean =>
  [...replies].some(([voter, { notBeforeMs }]) => {
    const first = firstReplies.get(voter);
    return first !== undefined && notBeforeMs > first.notAfterMs + ROUNDING_MS;
  });

/** The candidate is given up. */
export const failed = (state: MoveState): MoveStep => {
  const to = state.order[state.candidate]!;
  return enter(state, 'failing', [{ kind: 'append_failed', epoch: state.epoch, to, reason: 'no ack in time' }]);
};

const start = (state: MoveState): MoveStep => {
  if (state.unanswered) return failed(state);
  const to = state.order[state.candidate];
  return to === undefined
    ? strand(state)
    : enter(state, 'starting', [{ kind: 'append_started', epoch: state.epoch, to }]);
};

export const strand = (state: MoveState): MoveStep =>
  enter(state, 'stranding', [{ kind: 'append_stranded', reason: 'no candidate is left' }]);

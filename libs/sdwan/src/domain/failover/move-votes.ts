import { sameMember } from '../virtual-ip/state.js';
import { enter, finish } from './move-steps.js';
import { ASK_MS, type MoveInput, type MoveState, type MoveStep } from './move-types.js';

const RECHECK_MARGIN_MS = 10;
/** Two rounds may place the same beat this far apart: the answers travel. */
const SAME_BEAT_MS = 60;
const MAX_ROUNDS = 4;
/** A voter may still run with the longer TTL of an older configuration. */
const MAX_GRANT_TTLS = 10;

/** Voters without a lease are nobody: a single candidate cannot be taken over from. */
const hasLease = (state: MoveState): boolean => state.plan.voters.length >= 2;

const quorum = (state: MoveState): number =>
  Math.floor((state.plan.voters.length + (state.plan.platformVotes ? 1 : 0)) / 2) + 1;

/** In a crash the silent holder is not asked; in a planned move it promises like everybody else. */
const asked = (state: MoveState) =>
  state.plan.planned ? state.plan.voters : state.plan.voters.filter((voter) => !sameMember(voter, state.plan.from));

/**
 * Asking at the epoch in force changes nothing at a voter, it only tells whether it still hears the holder; asking at
 * the next one binds it. So a holder with a mere cut control link is found out before anybody stops confirming it.
 */
export const askForPromises = (state: MoveState, phase: 'witnessing' | 'voting', epoch: number): MoveStep => {
  if (!hasLease(state)) return start(state);
  const ask = { kind: 'ask', epoch, to: asked(state) } as const;
  return enter(
    { ...state, replies: new Map(), rounds: state.rounds + (phase === 'witnessing' ? 1 : 0) },
    phase,
    [ask],
    ASK_MS,
  );
};

export const beginVoting = (state: MoveState): MoveStep => askForPromises(state, 'voting', state.epoch);

export const onReply = (state: MoveState, input: Extract<MoveInput, { kind: 'promise' }>, nowMs: number): MoveStep => {
  const expected = state.phase === 'witnessing' ? state.plan.epoch : state.phase === 'voting' ? state.epoch : undefined;
  if (input.epoch !== expected || !asked(state).some((voter) => voter.instance_id === input.from))
    return { state, effects: [] };
  const reply = {
    granted: input.granted,
    // No grant outlives its TTL, whatever a voter says; beyond what a timer can count, the wait would be none at all.
    outstandingMs: Math.min(input.outstandingMs, state.plan.ttlMs * MAX_GRANT_TTLS),
    heardAtMs: input.heardMsAgo < 0 ? -Infinity : nowMs - input.heardMsAgo,
  };
  const next = { ...state, replies: new Map(state.replies).set(input.from, reply) };
  return state.phase === 'witnessing' ? evaluateWitnesses(next, nowMs, false) : countPromises(next);
};

/** Every voter that can answer has the say; at the deadline those that did. */
export const evaluateWitnesses = (state: MoveState, nowMs: number, deadline: boolean): MoveStep => {
  const answers = [...state.replies.values()];
  if (answers.length < asked(state).length && !deadline) return { state, effects: [] };
  if (answers.length === 0 || answers.length + (state.plan.platformVotes ? 1 : 0) < quorum(state))
    return finish(state, 'aborted', 'no_majority');
  const heardAt = Math.max(...answers.map((answer) => answer.heardAtMs));
  const first = state.rounds <= 1;
  if (!first && heardAt > state.firstHeardAtMs + SAME_BEAT_MS) return finish(state, 'aborted', 'holder_alive');
  const left = heardAt + state.plan.ttlMs - nowMs;
  if (left <= 0) return beginVoting(state);
  if (state.rounds >= MAX_ROUNDS) return finish(state, 'aborted', 'holder_alive');
  // It was heard within the TTL, perhaps just before it died: ask again when that beat can no longer count.
  return enter(
    { ...state, firstHeardAtMs: first ? heardAt : state.firstHeardAtMs },
    'rechecking',
    [],
    left + RECHECK_MARGIN_MS,
  );
};

const countPromises = (state: MoveState): MoveStep => {
  const granted = [...state.replies.values()].filter((reply) => reply.granted);
  if (granted.length + (state.plan.platformVotes ? 1 : 0) < quorum(state)) return { state, effects: [] };
  const wait = Math.max(0, ...granted.map((reply) => reply.outstandingMs));
  // In a planned move the old holder yields what it was granted, so there is nothing to wait for.
  return state.plan.planned || wait === 0 ? start(state) : enter(state, 'waiting_out', [], wait);
};

export const waitedOut = (state: MoveState): MoveStep => start(state);

const start = (state: MoveState): MoveStep =>
  enter(state, 'starting', [{ kind: 'append_started', epoch: state.epoch, to: state.order[state.candidate]! }]);

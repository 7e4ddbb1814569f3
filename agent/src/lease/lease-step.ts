import { assertNever } from '#kernel';
import { handleBeat, handleVoteRequest, retryWaiting } from './lease-voter.js';
import {
  PLATFORM,
  majority,
  type Holding,
  type LeaseConfig,
  type LeaseEffect,
  type LeaseInput,
  type LeaseState,
  type LeaseStep,
} from './lease.js';

/**
 * A voter may hear of a new epoch from its holder before it hears of it from the platform, and miss a few in a row. An epoch
 * far beyond those is nobody's: to promise it would refuse every holder that the platform names from then on.
 */
const EPOCHS_AHEAD = 8;

/** A holder that has no majority yet beats this much faster, for so many leases. */
const EAGER_TIMES = 4;
const EAGER_TTLS = 2;

export const stepLease = (state: LeaseState, input: LeaseInput): LeaseStep => {
  switch (input.kind) {
    case 'configure':
      return configure(state, input.now, input.config);
    case 'vote_request':
      return handleVoteRequest(state, input.now, input.epoch, input.question);
    case 'tick':
      return chain(lapsed(state, input.now), (s) => tick(s, input.now));
    case 'message':
      return message(state, input.now, input.from, input.message);
    default:
      return assertNever(input);
  }
};

/** Runs `first`, then `next` on its result, gathering the effects. */
const chain = (first: LeaseStep, next: (state: LeaseState) => LeaseStep): LeaseStep => {
  const second = next(first.state);
  return { state: second.state, effects: [...first.effects, ...second.effects] };
};

const message = (
  state: LeaseState,
  now: number,
  from: string,
  body: Extract<LeaseInput, { kind: 'message' }>['message'],
): LeaseStep => {
  if (state.config === undefined || (from !== PLATFORM && !state.config.voters.includes(from)))
    return { state, effects: [] };
  switch (body.kind) {
    case 'beat':
      if (body.epoch > state.config.epoch + EPOCHS_AHEAD) return { state, effects: [] };
      // A higher epoch from another candidate: the platform has moved the VIP, so the lease is given up at once.
      return chain(yieldTo(state, now, body.epoch), (s) => handleBeat(s, now, from, body.epoch, body.seq));
    case 'confirm':
      return confirmed(state, now, from, body.epoch, body.seq);
    case 'yield': {
      const { grant } = state;
      if (grant === undefined || grant.epoch !== body.epoch || (grant.holder !== from && grant.holder !== ''))
        return { state, effects: [] };
      return chain(retryWaiting({ ...state, grant: undefined }, now), (s) => hurry(s, now));
    }
    default:
      return assertNever(body);
  }
};

const configure = (state: LeaseState, now: number, config: LeaseConfig | undefined): LeaseStep => {
  const { holding } = state;
  const next = { ...state, config };
  if (config === undefined) return release(next, 'the VIP has no lease here any more');
  if (!config.holder) return holding === undefined ? { state: next, effects: [] } : yieldTo(next, now, config.epoch);
  if (holding?.epoch === config.epoch) return { state: next, effects: [] };
  const dropped = holding === undefined ? { state: next, effects: [] } : release(next, 'a new epoch began');
  const fresh: Holding = {
    epoch: config.epoch,
    beats: [],
    validUntil: -Infinity,
    lastTick: now,
    nextBeatAt: now,
    eagerUntil: now + EAGER_TTLS * config.ttlMs,
    yielded: false,
    on: false,
  };
  return chain(dropped, (s) => tick({ ...s, holding: fresh }, now));
};

/** The grant that somebody's beat had to wait for has run out. */
const lapsed = (state: LeaseState, now: number): LeaseStep => {
  const { waiting, grant, config, holding } = state;
  if (waiting === undefined || grant === undefined || now < grant.until) return { state, effects: [] };
  if (waiting.from !== config?.self) return retryWaiting(state, now);
  // This node's own beat: the next one is due now.
  const due = holding === undefined ? holding : { ...holding, nextBeatAt: Math.min(holding.nextBeatAt, now) };
  return { state: { ...state, waiting: undefined, holding: due }, effects: [] };
};

/** A new holder that waited for the old grant need not wait for its next beat as well. */
const hurry = (state: LeaseState, now: number): LeaseStep => {
  const { holding } = state;
  if (holding === undefined || holding.on || holding.yielded) return { state, effects: [] };
  return tick({ ...state, holding: { ...holding, nextBeatAt: now } }, now);
};

const release = (state: LeaseState, reason: string): LeaseStep => {
  const { holding } = state;
  const effects: LeaseEffect[] = holding?.on ? [{ kind: 'drop', epoch: holding.epoch, reason }] : [];
  return { state: { ...state, holding: undefined }, effects };
};

/** Tells the voters that the grants of this epoch are free. The address may stay while the old lease runs. */
const yieldTo = (state: LeaseState, now: number, epoch: number): LeaseStep => {
  const { holding, config } = state;
  if (config === undefined || holding === undefined || holding.yielded || epoch <= holding.epoch)
    return { state, effects: [] };
  const effects: LeaseEffect[] = config.voters
    .filter((voter) => voter !== config.self)
    .map((to) => ({ kind: 'send', to, message: { kind: 'yield', epoch: holding.epoch } }));
  const grant = state.grant?.epoch === holding.epoch ? undefined : state.grant;
  return chain({ state: { ...state, grant, holding: { ...holding, yielded: true } }, effects }, (s) =>
    retryWaiting(s, now),
  );
};

const tick = (state: LeaseState, now: number): LeaseStep => {
  const { holding, config } = state;
  if (holding === undefined || config === undefined) return { state, effects: [] };
  const gap = now - holding.lastTick;
  const seen = { ...state, holding: { ...holding, lastTick: now } };
  if (holding.on && now >= holding.validUntil) {
    const effects: LeaseEffect[] = [{ kind: 'drop', epoch: holding.epoch, reason: 'the lease ran out' }];
    const off = { ...seen, holding: holding.yielded ? undefined : { ...seen.holding, on: false, beats: [] } };
    return chain({ state: off, effects }, (s) => beat(s, now));
  }
  // Late by more than a beat: whatever was confirmed before the gap may already be void elsewhere.
  if (gap > 2 * config.beatMs && holding.on) {
    const effects: LeaseEffect[] = [
      { kind: 'drop', epoch: holding.epoch, reason: `no tick for ${Math.round(gap)} ms` },
    ];
    const off = { ...seen, holding: { ...seen.holding, on: false, beats: [], validUntil: -Infinity, nextBeatAt: now } };
    return chain({ state: off, effects }, (s) => beat(s, now));
  }
  return beat(
    gap > 2 * config.beatMs ? { ...seen, holding: { ...seen.holding, beats: [], nextBeatAt: now } } : seen,
    now,
  );
};

const beat = (state: LeaseState, now: number): LeaseStep => {
  const { holding, config } = state;
  if (holding === undefined || config === undefined || holding.yielded || now < holding.nextBeatAt)
    return { state, effects: [] };
  const seq = state.nextSeq;
  const recent = holding.beats.filter((b) => b.sentAt + config.ttlMs > now);
  const next: LeaseState = {
    ...state,
    nextSeq: seq + 1,
    holding: {
      ...holding,
      nextBeatAt: now + (!holding.on && now < holding.eagerUntil ? config.beatMs / EAGER_TIMES : config.beatMs),
      beats: [...recent, { seq, sentAt: now, confirmedBy: new Set<string>() }],
    },
  };
  const to = [...config.voters.filter((voter) => voter !== config.self), ...(config.platformVotes ? [PLATFORM] : [])];
  const effects: LeaseEffect[] = to.map((voter) => ({
    kind: 'send',
    to: voter,
    message: { kind: 'beat', epoch: holding.epoch, seq },
  }));
  // The holder votes too, by the same rules as everybody else: its confirmation goes to itself, after its promise is on disk.
  return chain({ state: next, effects }, (s) => handleBeat(s, now, config.self, holding.epoch, seq));
};

const confirmed = (state: LeaseState, now: number, from: string, epoch: number, seq: number): LeaseStep => {
  const { holding, config } = state;
  if (holding === undefined || config === undefined || holding.epoch !== epoch || holding.yielded)
    return { state, effects: [] };
  const beats = holding.beats.map((b) =>
    b.seq === seq ? { ...b, confirmedBy: new Set([...b.confirmedBy, from]) } : b,
  );
  const best = beats.filter((b) => b.confirmedBy.size >= majority(config)).at(-1);
  const until = best === undefined ? -Infinity : state.rules.leaseEnd(best.sentAt, config.ttlMs, now);
  const validUntil = Math.max(holding.validUntil, until);
  const on = now < validUntil;
  const effects: LeaseEffect[] = [];
  if (on && !holding.on) effects.push({ kind: 'hold', epoch, until: validUntil });
  else if (on && validUntil > holding.validUntil) effects.push({ kind: 'extend', epoch, until: validUntil });
  return { state: { ...state, holding: { ...holding, beats, validUntil, on: on || holding.on } }, effects };
};

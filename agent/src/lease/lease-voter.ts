import { type LeaseEffect, type LeaseState, type LeaseStep } from './lease.js';

/** For how long something this voter granted at a lower epoch, or to another holder, may still be valid. */
export const outstandingMs = (state: LeaseState, epoch: number, holder: string | undefined, now: number): number => {
  const { grant } = state;
  if (grant === undefined) return 0;
  const same = grant.epoch === epoch && (holder === undefined || grant.holder === '' || grant.holder === holder);
  return same ? 0 : Math.max(0, grant.until - now);
};

/** A holder's beat reaches a voter, which may be the holder itself. */
export const handleBeat = (state: LeaseState, now: number, from: string, epoch: number, seq: number): LeaseStep => {
  const { config } = state;
  if (config === undefined || epoch < state.promised) return { state, effects: [] };
  if (outstandingMs(state, epoch, from, now) > 0) {
    // The old holder gets nothing more from here; who waits is answered when its grant has run out or was given back.
    const raised = epoch > state.promised;
    const persist: LeaseEffect[] = raised
      ? [{ kind: 'persist', promised: epoch, grantEpoch: state.grant?.epoch ?? 0 }]
      : [];
    return { state: { ...state, promised: epoch, waiting: { from, epoch, seq, at: now } }, effects: persist };
  }
  const fresh = state.grant?.epoch !== epoch || state.promised !== epoch;
  const granted: LeaseState = {
    ...state,
    promised: epoch,
    grant: { epoch, holder: from, until: now + config.ttlMs },
    holderHeardAt: from === config.self ? state.holderHeardAt : now,
    waiting: undefined,
  };
  const persist: LeaseEffect[] = fresh ? [{ kind: 'persist', promised: epoch, grantEpoch: epoch }] : [];
  return {
    state: granted,
    effects: [...persist, { kind: 'send', to: from, message: { kind: 'confirm', epoch, seq } }],
  };
};

/** After a yield: a beat that was waiting for the old grant is answered now. */
export const retryWaiting = (state: LeaseState, now: number): LeaseStep => {
  const { waiting, config } = state;
  if (waiting === undefined || config === undefined || waiting.from === config.self) return { state, effects: [] };
  return handleBeat({ ...state, waiting: undefined }, now, waiting.from, waiting.epoch, waiting.seq);
};

/** The platform asks to move the VIP to `epoch`: from here on no lower epoch is confirmed. */
export const handleVoteRequest = (state: LeaseState, now: number, epoch: number, question?: string): LeaseStep => {
  const granted = epoch >= state.promised;
  const promised = Math.max(state.promised, epoch);
  const effects: LeaseEffect[] = [];
  if (promised > state.promised) effects.push({ kind: 'persist', promised, grantEpoch: state.grant?.epoch ?? 0 });
  effects.push({
    kind: 'promise',
    epoch,
    granted,
    outstandingMs: Math.ceil(outstandingMs(state, epoch, undefined, now)),
    holderHeardMsAgo: state.holderHeardAt === undefined ? -1 : Math.max(0, Math.round(now - state.holderHeardAt)),
    promisedEpoch: promised,
    question,
  });
  return { state: { ...state, promised }, effects };
};

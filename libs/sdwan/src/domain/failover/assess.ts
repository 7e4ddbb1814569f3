import { sameMember, type LiveVirtualIp } from '../virtual-ip/state.js';
import type { MoveReason } from '../virtual-ip/events.js';
import type { CandidateFacts } from './choose.js';

export interface HolderFacts extends CandidateFacts {
  /** Times in a row that its API server said it was not ready. */
  readonly notReadyStreak: number;
  /** Silent for the short lease, or lost: witnesses are asked. Merely not having been heard yet is not that. */
  readonly suspected: boolean;
  /** The gateway declared it lost: the long lease passed without a beat. */
  readonly lost: boolean;
}

export interface Situation {
  readonly vip: LiveVirtualIp;
  readonly holder: HolderFacts | undefined;
  readonly others: readonly CandidateFacts[];
  readonly nowMs: number;
  /** When the last move ended; -Infinity when there was none. */
  readonly lastMovedMs: number;
}

export type Assessment =
  | { readonly kind: 'stay' }
  /** `planned`: the old holder is there and takes part (make before break). */
  | { readonly kind: 'move'; readonly reason: MoveReason; readonly planned: boolean }
  /** Its only candidate holds it and is lost: if nobody else sees it either, it is stranded. */
  | { readonly kind: 'strand' }
  /** A move that an earlier life of the platform began. */
  | { readonly kind: 'resume' };

export const COOL_DOWN_MS = 30_000;
export const NOT_READY_LIMIT = 3;

/** Level-based: the same facts give the same answer, whatever event or tick made somebody ask. */
export const assess = ({ vip, holder, others, nowMs, lastMovedMs }: Situation): Assessment => {
  if (vip.status === 'moving') return { kind: 'resume' };
  const anyLive = others.some((facts) => facts.live && !facts.gone);
  if (vip.status === 'stranded')
    return anyLive ? { kind: 'move', reason: 'lease_lost', planned: false } : { kind: 'stay' };
  if (vip.status !== 'active' || vip.holder === null) return { kind: 'stay' };
  const listed = vip.candidates.some((candidate) => sameMember(candidate, vip.holder));
  if (holder === undefined || holder.gone || !listed)
    return { kind: 'move', reason: 'holder_removed', planned: holder !== undefined && holder.live };
  if (!anyLive) return holder.lost && vip.candidates.length === 1 ? { kind: 'strand' } : { kind: 'stay' };
  const eligible = others.some((facts) => facts.live && !facts.gone && !facts.draining && facts.health !== 'not_ready');
  // A drain that had nowhere to go is none: when its server dies, it is a crash like any other, and takes who is left.
  if (holder.suspected)
    return { kind: 'move', reason: holder.draining && eligible ? 'drain' : 'lease_lost', planned: false };
  if (holder.draining) return eligible ? { kind: 'move', reason: 'drain', planned: holder.live } : { kind: 'stay' };
  const better = others.some((facts) => facts.live && !facts.gone && !facts.draining && facts.health === 'ready');
  if (holder.notReadyStreak >= NOT_READY_LIMIT && better && nowMs - lastMovedMs >= COOL_DOWN_MS)
    return { kind: 'move', reason: 'health', planned: holder.live };
  return { kind: 'stay' };
};

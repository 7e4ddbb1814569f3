import { sameMember, type Member } from '../virtual-ip/state.js';
import type { MoveReason } from '../virtual-ip/events.js';

/** What is known of a candidate at the moment of choosing. */
export interface CandidateFacts {
  readonly member: Member;
  /** It has a stream and its lease runs. */
  readonly live: boolean;
  readonly draining: boolean;
  /** Its instance is terminated or forgotten, or its peer is detached. */
  readonly gone: boolean;
  /** It came back and has not applied a snapshot yet. */
  readonly returning: boolean;
  readonly health: 'ready' | 'unknown' | 'not_ready';
}

export interface Choice {
  readonly order: readonly Member[];
  /** Why each of the others was passed over, in words for an operator. */
  readonly passedOver: readonly { readonly member: Member; readonly why: string }[];
}

/**
 * Who should take a virtual IP, best first: ready before unknown, then the operator's order, then the lowest id. After a
 * crash a candidate that is not ready still beats nobody: survivors are often not ready for a moment because of that very crash.
 * So does, last of all, one that is being drained: it still answers, and a stranded address would stop its drain as well.
 */
export const chooseCandidates = (
  candidates: readonly CandidateFacts[],
  holder: Member | null,
  reason: MoveReason,
): Choice => {
  const passedOver: { member: Member; why: string }[] = [];
  const crash = reason === 'lease_lost' || reason === 'holder_removed';
  const eligible = candidates.filter((facts) => {
    const why = objection(facts, holder, crash);
    if (why !== undefined) passedOver.push({ member: facts.member, why });
    return why === undefined;
  });
  const rank = { ready: 0, unknown: 1, not_ready: 2 } as const;
  const order = eligible
    .map((facts, index) => ({ facts, index }))
    .sort(
      (a, b) =>
        Number(a.facts.draining) - Number(b.facts.draining) ||
        rank[a.facts.health] - rank[b.facts.health] ||
        a.index - b.index ||
        (a.facts.member.instance_id < b.facts.member.instance_id ? -1 : 1),
    )
    .map(({ facts }) => facts.member);
  return { order, passedOver };
};

export const RETURNING = 'came back and has not applied its snapshot yet';

const objection = (facts: CandidateFacts, holder: Member | null, crash: boolean): string | undefined => {
  if (sameMember(facts.member, holder)) return 'holds it now';
  if (facts.gone) return 'terminated or detached';
  if (!facts.live) return 'its agent is not connected';
  if (facts.draining && !crash) return 'draining';
  if (facts.returning) return RETURNING;
  if (facts.health === 'not_ready' && !crash) return 'its API server is not ready';
  return undefined;
};

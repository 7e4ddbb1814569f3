import { distance } from 'fastest-levenshtein';

/**
 * A refusal is an answer, not a failure: it names what was wrong, why, and the nearest thing that would work. `code` is
 * stable and part of the outside contract; `status` is the HTTP status that REST answers with.
 */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly status: 400 | 401 | 403 | 404 | 409 | 410 | 413 | 422 | 429 | 503;
  readonly field?: string;
  readonly hint?: string;
  readonly candidates?: readonly Candidate[];
}

export interface Candidate {
  readonly id: string;
  readonly name?: string;
}

export const refusal = (
  status: Refusal['status'],
  code: string,
  message: string,
  more: Pick<Refusal, 'field' | 'hint' | 'candidates'> = {},
): Refusal => ({ code, message, status, ...more });

/** Carries a refusal through code that can only throw (gRPC and HTTP handlers, tool bodies). Not for bugs. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  constructor(
    readonly refusal: Refusal,
    /** Seconds until it is worth trying again, where that is known. */
    readonly retryAfterS?: number,
  ) {
    super(refusal.message);
  }
}

/** The closest of `choices` to `wanted`, or undefined when nothing is near enough to be a typing slip. */
export const nearest = (wanted: string, choices: Iterable<string>): string | undefined => {
  let best: { choice: string; d: number } | undefined;
  for (const choice of choices) {
    const d = distance(wanted.toLowerCase(), choice.toLowerCase());
    if (best === undefined || d < best.d) best = { choice, d };
  }
  return best !== undefined && best.d <= Math.max(2, Math.floor(wanted.length / 3)) ? best.choice : undefined;
};

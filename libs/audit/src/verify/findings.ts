/** Something that is not as it was written. */
export interface Finding {
  /** What was altered: an event, a stream's count, a seal in the database, the file outside of it, or the key history. */
  readonly kind: 'event' | 'stream' | 'seal' | 'sink' | 'key';
  /** The first event that it concerns. */
  readonly position: bigint;
  readonly reason: string;
}

/** Events first: where the log itself is hurt, everything else follows from that. Then by position. */
export const inOrder = (findings: readonly Finding[]): Finding[] => {
  const rank = (finding: Finding) => (finding.kind === 'event' ? 0 : 1);
  return [...findings].sort((a, b) => rank(a) - rank(b) || compare(a.position, b.position));
};

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

/** A range of the log as a seal that can be trusted describes it. */
export interface SealedRange {
  readonly seq: number;
  /** The range lies after this position: where the seal before ends, or just before its first event. */
  readonly after: bigint;
  readonly to: bigint;
  readonly events: number;
  /** Hex. */
  readonly root: string;
  readonly chain: string;
}

import { position, START, type Position, type RecordedEvent } from '#event-store';

/** Up to where events are told: a position, or everything recorded by a time. */
export type Until = Position | { readonly timeMs: number };

/**
 * The position of the last event recorded by a time, START when there is none. Times of recording never go back along the log and
 * positions have no gaps, so that halving finds it.
 */
export const lastBy = async (
  timeMs: number,
  head: Position,
  recordedMs: (at: Position) => Promise<number>,
): Promise<Position> => {
  let low: bigint = START;
  let high: bigint = head;
  while (low < high) {
    const middle = (low + high + 1n) / 2n;
    if ((await recordedMs(position(middle))) <= timeMs) low = middle;
    else high = middle - 1n;
  }
  return position(low);
};

/** The same where positions have gaps: page by page from the end. */
export const lastByBackwards = async (
  timeMs: number,
  read: (before: Position | undefined) => Promise<readonly RecordedEvent[]>,
): Promise<Position> => {
  for (let before: Position | undefined; ;) {
    const page = await read(before);
    const found = page.find(({ recordedAt }) => Date.parse(recordedAt) <= timeMs);
    if (found !== undefined || page.length === 0) return found?.position ?? START;
    before = page.at(-1)!.position;
  }
};

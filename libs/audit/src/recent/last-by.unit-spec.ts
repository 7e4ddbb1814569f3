import { position, type Position, type RecordedEvent } from '#event-store';
import { lastBy, lastByBackwards } from './last-by.js';

/** When the events at positions 1, 2, 3, … were recorded; several may be of one millisecond. */
const TIMES = [10, 10, 20, 20, 20, 35, 40, 40];
const expected = (timeMs: number) => BigInt(TIMES.filter((ms) => ms <= timeMs).length);
const MOMENTS = [0, 9, 10, 11, 19, 20, 34, 35, 39, 40, 41, 1_000];

it.each(MOMENTS)('halves its way to the last event recorded by %d', async (timeMs) => {
  const recordedMs = async (at: Position) => TIMES[Number(at) - 1]!;
  expect(await lastBy(timeMs, position(TIMES.length), recordedMs)).toBe(expected(timeMs));
  expect(await lastBy(timeMs, position(0), recordedMs)).toBe(0n);
});

it.each(MOMENTS)('pages back to the last event recorded by %d, over positions with gaps', async (timeMs) => {
  const all = TIMES.map((ms, i) => ({ position: BigInt(i + 1) * 100n, recordedAt: new Date(ms).toISOString() }));
  const read = async (before: bigint | undefined) =>
    all
      .filter((one) => before === undefined || one.position < before)
      .reverse()
      .slice(0, 3) as unknown as RecordedEvent[];
  expect(await lastByBackwards(timeMs, read)).toBe(expected(timeMs) * 100n);
});

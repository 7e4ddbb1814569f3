import { freshStream, newEvent } from '../../contract/harness.js';
import { AmbiguousCommits, type CutReport, type Exchange } from '../../testing/ambiguous-commits.js';
import { testDatabase } from '../../testing/test-postgres.js';

/** Every byte: `npm run soak -- commit-cuts`. The step is prime, so that all kinds of places in the messages are met. */
const STRIDE = 31;

const cut = async (exchange: Exchange, patienceMs: number, stride: number): Promise<CutReport> => {
  const database = await testDatabase();
  const stream = freshStream();
  const commits = await AmbiguousCommits.open(database, { patienceMs, stream, newEvent: () => newEvent() });
  try {
    return await commits.run(exchange, stride);
  } finally {
    await commits.close();
    await database.drop();
  }
};

describe.each(['first', 'later'] as const)('a connection cut in its %s append, byte by byte, both ways', (exchange) => {
  it('a caller who repeats the append is told whether it was there, and it is there once', async () => {
    const report = await cut(exchange, 0, STRIDE);
    expect(report.problems).toEqual([]);
    expect(report.bytes.request).toBeGreaterThan(500);
    // Both kinds of end were met: before the server had the whole request, and after.
    expect(report.committed).toBeGreaterThan(3);
    expect(report.cuts - report.committed).toBeGreaterThan(10);
    expect(report.answered).toBeLessThanOrEqual(2);
  });

  it('a store that repeats it itself answers every caller', async () => {
    const report = await cut(exchange, 20_000, 3 * STRIDE);
    expect(report.problems).toEqual([]);
    expect(report.answered).toBe(report.cuts);
  });
});

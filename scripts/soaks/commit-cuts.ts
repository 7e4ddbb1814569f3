// The connection to Postgres is cut after every byte of the COMMIT exchange, both ways: no append is lost or doubled.
import { randomUUID } from 'node:crypto';
import { stopTestPostgres, testDatabase } from '#event-store';
import { AmbiguousCommits, type Exchange } from '../../libs/event-store/src/testing/ambiguous-commits.js';
import type { SoakValues } from '../soak.js';
import { say, wholeNumber } from './support/numbers.js';
import { soakEvent } from './support/soak-event.js';

export const about = `A proxy between the store and a real Postgres hangs up after each byte of the append statement's exchange,
  request and answer, of a connection's first append and of a later one; then the caller, or the store itself, repeats it.`;
export const options = { stride: { type: 'string', default: '1' } } as const;

const WHO = [
  { who: 'caller', patienceMs: 0 },
  { who: 'store', patienceMs: 30_000 },
] as const;

const cutAll = async (exchange: Exchange, patienceMs: number, stride: number) => {
  const database = await testDatabase();
  const stream = `cut-${randomUUID()}`;
  const commits = await AmbiguousCommits.open(database, { patienceMs, stream, newEvent: soakEvent });
  try {
    return await commits.run(exchange, stride);
  } finally {
    await commits.close();
    await database.drop();
  }
};

export const run = async (values: SoakValues) => {
  const stride = wholeNumber(values, 'stride');
  const total = { cuts: 0, committed: 0, problems: [] as string[] };
  try {
    for (const exchange of ['first', 'later'] as const)
      for (const { who, patienceMs } of WHO) {
        const { bytes, cuts, committed, problems } = await cutAll(exchange, patienceMs, stride);
        say(
          `  ${exchange} exchange (${bytes.request} + ${bytes.answer} bytes), the ${who} repeats: ${cuts} cuts, ${committed} had committed`,
        );
        total.cuts += cuts;
        total.committed += committed;
        total.problems.push(...problems);
      }
  } finally {
    await stopTestPostgres();
  }
  if (total.problems.length > 0) throw new Error(total.problems.join('\n  '));
  return { cuts: total.cuts, committed: total.committed, stride, lost: 0, doubled: 0 };
};

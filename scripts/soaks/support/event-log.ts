import pg from 'pg';
import { openPostgres, position, PostgresEventStore, START, verifyChain, type RecordedEvent } from '#event-store';

export interface LogCopy {
  readonly events: readonly RecordedEvent[];
  /** Undefined when the hash chain over the stored bytes is as it was written. */
  readonly broken: string | undefined;
}

export interface LogPlace {
  readonly dataDir: string;
  readonly databaseUrl?: string;
}

/** All that a stopped (or killed) platform has written. The embedded Postgres is ended with it. */
export const readLogOf = async (where: string | LogPlace): Promise<LogCopy> => {
  const postgres = await openPostgres(typeof where === 'string' ? { dataDir: where } : where);
  const pool = new pg.Pool(postgres.connection);
  // `end` resolves before the sockets are closed; a server that stops cuts them off, and the pool would throw that.
  pool.on('error', () => undefined);
  const store = new PostgresEventStore({ connection: postgres.connection });
  try {
    const events: RecordedEvent[] = [];
    for (let after = START; ;) {
      const batch = await store.readAll(after, { limit: 1_000 });
      events.push(...batch.events);
      if (batch.events.length === 0) break;
      after = batch.through;
    }
    let broken: string | undefined;
    for await (const report of verifyChain(pool, position(0)))
      if (report.kind === 'broken') broken = `${report.position}: ${report.reason}`;
    return { events, broken };
  } finally {
    await store.close();
    await pool.end();
    await postgres.stop();
  }
};

/** What must hold of every log, whatever happened: dense, in order, nothing twice, no stream with a gap. */
export const problemsOfLog = ({ events, broken }: LogCopy): string[] => {
  const problems = broken === undefined ? [] : [`the hash chain is broken at ${broken}`];
  const ids = new Set<string>();
  const versions = new Map<string, number>();
  let recordedAt = '';
  events.forEach((event, index) => {
    const at = `position ${event.position} (${event.type})`;
    if (event.position !== BigInt(index + 1)) problems.push(`${at}: expected position ${index + 1}`);
    if (ids.has(event.id)) problems.push(`${at}: event id ${event.id} twice`);
    ids.add(event.id);
    const expected = (versions.get(event.stream) ?? 0) + 1;
    if (event.version !== expected)
      problems.push(`${at}: version ${event.version} of ${event.stream}, expected ${expected}`);
    versions.set(event.stream, event.version);
    if (event.recordedAt < recordedAt) problems.push(`${at}: recorded before its predecessor`);
    recordedAt = event.recordedAt;
  });
  return problems;
};

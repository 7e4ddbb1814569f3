import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { silentLog, systemClock, systemIds, systemRandom, systemTimers } from '#kernel';
import { EnvelopeSecretStore, MemorySecretRows } from '#access';
import { testEventStore } from '#event-store';
import { FencedError } from '#processing';
import { AuditOffice } from './audit-office.js';
import { appendEvents } from './testing/audit-ground.js';

const secrets = new EnvelopeSecretStore(new MemorySecretRows(), new Uint8Array(32).fill(7), systemRandom, systemIds);

/** One platform process: it leads until stop(), which seals what is left as a process does that stops in order. */
const lead = (office: AuditOffice, epoch: number) => {
  const stop = new AbortController();
  // One that was fenced has ended by itself; when it notices is not the point here.
  const run = office.run({ epoch, signal: stop.signal }).catch((error: unknown) => {
    if (!(error instanceof FencedError)) throw error;
  });
  return async () => {
    stop.abort();
    await run;
  };
};

it('two processes with a file each: taking over is no false alarm at any moment, and a line that is lost afterwards shows', async () => {
  const { store, database } = await testEventStore();
  const pool = new pg.Pool({ ...database.connection, max: 6 });
  pool.on('error', () => undefined);
  const dir = await mkdtemp(join(tmpdir(), 'drover-office-'));
  const office = (name: string) =>
    new AuditOffice({
      ...{ store, secrets, sealEvents: 10, sealMs: 60_000, clock: systemClock, timers: systemTimers },
      postgres: { pool, connection: database.connection },
      sinkFile: join(dir, name),
      logger: silentLog,
    });
  const [a, b] = [office('a.jsonl'), office('b.jsonl')];
  try {
    await appendEvents(store, 25);
    const endA = lead(a, 1);
    expect(await a.sealNow(60_000)).toBe(true);

    // B leads from here on, and gets no further than asking for the head of the seals.
    const held = await pool.connect();
    await held.query('BEGIN');
    await held.query('SELECT 1 FROM audit.head FOR UPDATE');
    const endB = lead(b, 2);
    expect((await b.verifier.verify()).findings).toEqual([]);
    await held.query('COMMIT');
    held.release();
    await appendEvents(store, 5);
    expect(await b.sealNow(60_000)).toBe(true);
    expect((await b.verifier.verify()).findings).toEqual([]);
    // A does not know yet that it leads no more: seals that went to B's file are not missing from its own.
    expect((await a.verifier.verify()).findings).toEqual([]);
    await endA();

    await writeFile(join(dir, 'b.jsonl'), '');
    expect((await b.verifier.verify()).findings[0]).toMatchObject({
      kind: 'sink',
      reason: expect.stringMatching(/seal 1 is missing from the file/),
    });
    await endB();
    // Who leads no more says nothing of what its file must hold.
    expect((await a.verifier.verify()).findings).toEqual([]);
  } finally {
    await store.close();
    await pool.end();
    await rm(dir, { recursive: true, force: true });
  }
});

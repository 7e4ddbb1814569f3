import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { deterministicUuid, ManualClock, silentLog, systemClock, systemIds, systemRandom } from '#kernel';
import { EnvelopeSecretStore, MemorySecretRows } from '#access';
import { MemoryEventStore, testEventStore, type EventStore } from '#event-store';
import { PortStoredLog, type StoredLog } from '../log/stored-log.js';
import { PostgresStoredLog } from '../log/postgres-stored-log.js';
import { FileSealSink } from '../seals/file-seal-sink.js';
import { KeyRing } from '../seals/key-ring.js';
import { MemorySealStore } from '../seals/memory-seal-store.js';
import { PostgresSealStore } from '../seals/postgres-seal-store.js';
import { Sealer, type SealerOptions } from '../seals/sealer.js';
import type { SealStore } from '../seals/seal-store.js';

/** Everything that auditing rests on, for one log. */
export interface AuditGround {
  readonly store: EventStore;
  readonly log: StoredLog;
  readonly seals: SealStore;
  readonly keys: KeyRing;
  readonly sink: FileSealSink;
  readonly sinkFile: string;
  readonly pool?: pg.Pool;
  /** Runs a sealer as a leader would until it stops in order, which seals everything there is. */
  sealAll(options?: Partial<SealerOptions>): Promise<void>;
  sealer(options?: Partial<SealerOptions>): Sealer;
  /** As of a platform that leads since the last sealAll. */
  exportsIn(): number;
  close(): Promise<void>;
}

const ground = async (
  store: EventStore,
  log: StoredLog,
  seals: SealStore,
  close: () => Promise<void>,
  pool?: pg.Pool,
): Promise<AuditGround> => {
  const dir = await mkdtemp(join(tmpdir(), 'drover-audit-'));
  const sinkFile = join(dir, 'audit', 'seals.jsonl');
  const sink = new FileSealSink(sinkFile);
  const secrets = new EnvelopeSecretStore(new MemorySecretRows(), new Uint8Array(32).fill(7), systemRandom, systemIds);
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const keys = new KeyRing(seals, secrets, clock);
  let epoch = 0;
  const sealer = (options: Partial<SealerOptions> = {}) =>
    new Sealer({
      ...{ log, store: seals, keys, sink, clock, timers: clock, logger: silentLog, everyEvents: 10, everyMs: 60_000 },
      ...options,
    });
  return {
    ...{ store, log, seals, keys, sink, sinkFile, sealer },
    ...(pool === undefined ? {} : { pool }),
    exportsIn: () => epoch,
    sealAll: async (options) => {
      const one = sealer(options);
      const stop = new AbortController();
      const run = one.run({ epoch: ++epoch, signal: stop.signal });
      const head = await log.head();
      const deadline = systemClock.monotonicMs() + 60_000;
      for (;;) {
        const last = await seals.sealCovering(head);
        if (last !== undefined || head === 0n || one.problem !== undefined) break;
        if (systemClock.monotonicMs() > deadline) throw new Error('the log was not sealed in time');
        await seals.want(head);
        one.poke();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      stop.abort();
      await run;
      if (one.problem !== undefined) throw new Error(one.problem);
    },
    close: async () => {
      await close();
      await rm(dir, { recursive: true, force: true });
    },
  };
};

/** On a store that keeps no chain. */
export const groundOn = (store: EventStore): Promise<AuditGround> =>
  ground(store, new PortStoredLog(store), new MemorySealStore(), () => store.close());

export const memoryGround = (): Promise<AuditGround> => groundOn(new MemoryEventStore(systemClock));

export const postgresGround = async (): Promise<AuditGround & { readonly pool: pg.Pool }> => {
  const { store, database } = await testEventStore();
  const pool = new pg.Pool({ ...database.connection, max: 4 });
  // The server may be stopped before the pool's last sockets are closed; a query that fails says so itself.
  pool.on('error', (error) => process.emitWarning(error.message));
  const close = async () => {
    await store.close();
    await pool.end();
  };
  const made = await ground(store, new PostgresStoredLog(pool), new PostgresSealStore(pool), close, pool);
  return { ...made, pool };
};

let serial = 0;

/** Appends `count` events of an account to a stream of their own. */
export const appendEvents = async (store: EventStore, count: number, account = 'account-a'): Promise<string[]> => {
  const stream = `thing-${++serial}`;
  const ids = Array.from({ length: count }, (_, n) => deterministicUuid('audit test', stream, n));
  const meta = {
    accountId: account,
    actor: { kind: 'operator' as const, id: 'op' },
    commandId: 'c',
    correlationId: 'corr',
    causationId: 'cause',
    occurredAt: '2026-01-01T00:00:00.000Z',
    severity: 'info' as const,
    links: { node: 'node-1' },
    topics: ['a.topic'],
  };
  const data = (n: number) => ({
    n,
    text: 'original "text" [with] {brackets} and \u00fcmlauts',
    nested: { b: [1, {}], a: null },
  });
  const events = ids.map((id, n) => ({ id, type: 'system.thing.happened', schemaVersion: 1, data: data(n), meta }));
  const done = await store.append({ stream, expected: 'no_stream', events });
  if (done.kind !== 'appended') throw new Error(done.kind);
  return ids;
};

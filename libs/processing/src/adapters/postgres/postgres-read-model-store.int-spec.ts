import fc from 'fast-check';
import { position, type RecordedEvent } from '#event-store';
import { digestOf } from '../../projections/digest.js';
import { ProjectionLane } from '../../projections/projection-lane.js';
import type { ReadModelStore } from '../../projections/read-model-store.js';
import { postgresGround } from '../../testing/postgres-ground.js';
import { overlaySuite } from '../../testing/overlay-suite.js';
import { anyThings, change, readModelSuite } from '../../testing/read-model-suite.js';
import { MemoryReadModelStore } from '../memory/memory-read-model-store.js';
import { PostgresReadModelStore } from './postgres-read-model-store.js';

readModelSuite('Postgres', async () => {
  const { pool, close } = await postgresGround();
  return { store: new PostgresReadModelStore(pool), close };
});
overlaySuite('Postgres', async () => {
  const { pool, close } = await postgresGround();
  return { store: new PostgresReadModelStore(pool), close };
});

it('a snapshot keeps the tables that it began with; a switch comes after it and holds up nobody meanwhile', async () => {
  const { pool, close } = await postgresGround();
  const store = new PostgresReadModelStore(pool);
  const [table] = await store.open([anyThings], 1);
  await new ProjectionLane(store, table!, 1).apply([change(1, 'a')], position(1));
  const snapshot = await store.snapshot();
  const fresh = new ProjectionLane(store, await store.rebuild(anyThings, 1), 1);
  for (let tries = 0; tries < 3; tries++) expect(await fresh.activate()).toBe(false);
  expect(fresh.table.state).toBe('building');
  expect(await store.get(anyThings, 'a')).toBeDefined();
  expect([...(await snapshot.load(anyThings, ['a'])).keys()]).toEqual(['a']);
  await snapshot.close();
  // The connection is another's by now.
  await expect(snapshot.load(anyThings, ['a'])).rejects.toThrow(/closed/);
  expect(await fresh.activate()).toBe(true);
  const next = await store.snapshot();
  expect((await next.load(anyThings, ['a'])).size).toBe(0);
  await next.close();
  await close();
});

/** A log over few keys, so that documents are created, changed, deleted and made again. */
const logs = fc
  .array(
    fc.tuple(
      fc.constantFrom('a', 'b', 'c', 'd', 'ä', '🜁'),
      fc.option(fc.record({ size: fc.option(fc.integer()), label: fc.option(fc.string().map(printable)) })),
      fc.integer({ min: 1, max: 3 }),
    ),
    { maxLength: 40 },
  )
  .map((steps) => {
    let at = 0;
    return steps.map(([key, data, gap]) => change((at += gap), key, data ?? 'delete'));
  });

// Postgres stores no NUL in text or jsonb; boundaries refuse it before it could become an event.
function printable(text: string): string {
  return text.replaceAll('\0', '');
}

/** What happens between two batches of a rebuild. */
type Between = 'nothing' | 'crash' | 'flush' | 'crash after flush';

/**
 * A rebuild in batches of these sizes, in turn. A crash loses what was not written: the next runner takes the table over
 * where it durably is.
 */
const rebuilt = async (
  store: ReadModelStore,
  log: readonly RecordedEvent[],
  sizes: readonly number[],
  between: readonly Between[] = ['nothing'],
) => {
  const built = await store.rebuild(anyThings, epoch);
  let lane = new ProjectionLane(store, built, epoch);
  for (let step = 0, crashes = 0; ; step++) {
    const rest = log.filter((event) => event.position > lane.position);
    if (rest.length === 0) break;
    const events = rest.slice(0, sizes[step % sizes.length]);
    await lane.apply(events, events.at(-1)!.position);
    const what = between[step % between.length];
    if (what === 'flush' || what === 'crash after flush') await lane.prepare();
    // One that always dies before it writes would go on for ever.
    if (what?.startsWith('crash') === true && crashes++ < MAX_CRASHES) {
      const tables = await store.open([anyThings], ++epoch);
      lane = new ProjectionLane(
        store,
        tables.find((t) => t.table === built.table)!,
        epoch,
      );
    }
  }
  await lane.apply([], position(1_000_000));
  await lane.prepare();
  return digestOf(store, lane.table);
};
const MAX_CRASHES = 6;
let epoch = 1;

it('gives the same digest from every rebuild: any batches, any crashes, in memory and in Postgres', async () => {
  const { pool, close } = await postgresGround();
  const postgres = new PostgresReadModelStore(pool);
  const memory = new MemoryReadModelStore();
  await postgres.open([anyThings], epoch);
  await memory.open([anyThings], epoch);
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
  const between = fc.array(fc.constantFrom<Between>('nothing', 'crash', 'flush', 'crash after flush'), {
    minLength: 1,
    maxLength: 6,
  });
  const property = fc.asyncProperty(logs, sizes, between, async (log, batches, events) => {
    // Both stores at the same epoch again: each crash raised it for one of them.
    await memory.open([anyThings], ++epoch);
    const one = await rebuilt(memory, log, [1]);
    expect((await rebuilt(memory, log, batches, events)).sha256).toBe(one.sha256);
    await postgres.open([anyThings], ++epoch);
    expect((await rebuilt(postgres, log, batches, events)).sha256).toBe(one.sha256);
  });
  await fc.assert(property, { numRuns: 40 });
  await close();
});

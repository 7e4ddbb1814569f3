import fc from 'fast-check';
import { position, type RecordedEvent } from '#event-store';
import { digestOf } from '../../projections/digest.js';
import { ProjectionLane } from '../../projections/projection-lane.js';
import type { ReadModelStore } from '../../projections/read-model-store.js';
import { postgresGround } from '../../testing/postgres-ground.js';
import { anyThings, change, readModelSuite } from '../../testing/read-model-suite.js';
import { MemoryReadModelStore } from '../memory/memory-read-model-store.js';
import { PostgresReadModelStore } from './postgres-read-model-store.js';

readModelSuite('Postgres', async () => {
  const { pool, close } = await postgresGround();
  return { store: new PostgresReadModelStore(pool), close };
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

const rebuilt = async (store: ReadModelStore, log: readonly RecordedEvent[], batch: number) => {
  const lane = new ProjectionLane(store, await store.rebuild(anyThings, 1), 1);
  for (let i = 0; i < log.length; i += batch) {
    const events = log.slice(i, i + batch);
    await lane.apply(events, events.at(-1)!.position);
  }
  await lane.apply([], position(1_000_000));
  await lane.prepare();
  return digestOf(store, lane.table);
};

it('gives the same digest from every rebuild, in any batches, in memory and in Postgres', async () => {
  const { pool, close } = await postgresGround();
  const postgres = new PostgresReadModelStore(pool);
  const memory = new MemoryReadModelStore();
  await postgres.open([anyThings], 1);
  await memory.open([anyThings], 1);
  const property = fc.asyncProperty(logs, fc.integer({ min: 1, max: 40 }), async (log, batch) => {
    const one = await rebuilt(memory, log, 1);
    expect(await rebuilt(memory, log, batch)).toEqual(one);
    expect((await rebuilt(postgres, log, batch)).sha256).toBe(one.sha256);
  });
  await fc.assert(property, { numRuns: 60 });
  await close();
});

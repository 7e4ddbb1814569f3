import {
  canonicalJson,
  deterministicId,
  deterministicUuid,
  EventCatalogue,
  ManualClock,
  seededRandom,
  sha256Hex,
} from '#kernel';
import { START, MemoryEventStore, type Position, type RecordedEvent } from '#event-store';
import { InMemoryReadModels, Transactor, type Projection } from '#processing';
import { platformEvents } from '../../apps/platform/src/events.js';
import { platformProjections } from '../../apps/platform/src/projection-list.js';
import { PastFleet } from '../../libs/audit/src/time-travel/past-fleet.js';
import { foldTouches, keysOf, touchesOf } from '../../libs/processing/src/projections/fold-batch.js';
import { MemoryTable } from '../../libs/processing/src/projections/memory-table.js';
import type { Step } from './given.js';
import { randomStep } from './random-operator.js';

const ACCOUNT = deterministicId('account', 'one');
const STEPS = 700;
const SHOT_EVERY = 40;
const catalogue = new EventCatalogue(platformEvents);

/** The projections themselves, however they are listed. */
const projections: readonly Projection[] = (() => {
  const all: Projection[] = [];
  for (const one of platformProjections)
    one.register({ addProjection: (projection) => void all.push(projection as unknown as Projection) });
  return all;
})();

const contentOf = (models: InMemoryReadModels): Record<string, string> =>
  Object.fromEntries(projections.map((p) => [p.name, digestOf(models.entries(p))]));
/** As the database gives it. */
const asRead = (event: RecordedEvent): RecordedEvent => ({
  ...event,
  data: JSON.parse(JSON.stringify(event.data)) as RecordedEvent['data'],
});
const digestOf = (documents: unknown): string => sha256Hex(canonicalJson(JSON.parse(JSON.stringify(documents))));
const current = (event: RecordedEvent): RecordedEvent => ({
  ...event,
  data: catalogue.upcast(event.type, event.schemaVersion, event.data),
});

/** A history, with what the read models showed on the way. */
const play = async (seed: number) => {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const store = new MemoryEventStore(clock);
  const transactor = new Transactor(store, catalogue);
  const random = seededRandom(seed);
  const live = new InMemoryReadModels(projections);
  const shots: { timeMs: number; position: Position; content: Record<string, string> }[] = [];
  const steps = new Map<string, Step>();
  const types = new Set<string>();
  let seen: Position = START;
  for (let n = 0; n < STEPS; n++) {
    const step = randomStep(() => random.unit());
    steps.set(`${step.stream}`, step);
    const id = deterministicUuid('history', seed, n);
    await transactor.transact(step.stream, step.decider, step.command, {
      ...{ commandId: id, correlationId: id, causationId: id, accountId: ACCOUNT, nowMs: clock.wallMs() },
      actor: { kind: 'operator', id: 'op' },
    });
    for (const event of (await store.readAll(seen, { limit: 100 })).events) {
      live.apply(current(event));
      types.add(event.type);
      seen = event.position;
    }
    if (n % SHOT_EVERY === 0) shots.push({ timeMs: clock.wallMs(), position: seen, content: contentOf(live) });
    await clock.advance(1 + Math.floor(random.unit() * 5_000));
  }
  const events = (await store.readAll(START, { limit: 100_000 })).events;
  return { store, transactor, live, shots, steps, events, types, random };
};

/** As the host folds a rebuild: in batches of any size, from stored JSON. */
const rebuiltInBatches = (events: readonly RecordedEvent[], size: () => number): Record<string, string> => {
  const tables = projections.map((projection) => ({ projection, table: new MemoryTable() }));
  for (let at = 0; at < events.length;) {
    const batch = events.slice(at, (at += size())).map((event) => current(asRead(event)));
    for (const { projection, table } of tables) {
      const touches = touchesOf(projection, batch);
      if (touches.length > 0) table.write(foldTouches(projection, touches, table.load(keysOf(touches))));
    }
  }
  return Object.fromEntries(
    tables.map(({ projection, table }) => [
      projection.name,
      digestOf(table.entries().map(([key, row]) => [key, row.doc])),
    ]),
  );
};

describe.each([1, 2, 3])('random histories that the real deciders accept (seed %i)', (seed) => {
  let history: Awaited<ReturnType<typeof play>>;
  beforeAll(async () => {
    history = await play(seed);
  });

  it('are long and of many kinds', () => {
    expect(history.events.length).toBeGreaterThan(STEPS / 6);
    expect(history.types.size).toBeGreaterThan(40);
    // Nothing is proven of a read model that stays empty.
    const filled = projections.filter((p) => history.live.entries(p).length > 0).map((p) => p.name);
    expect(filled.length).toBeGreaterThanOrEqual(6);
  });

  it('rebuilt in batches of any size, every read model is what it was live', () => {
    const { events, live, random } = history;
    const wanted = contentOf(live);
    for (const largest of [1, 7, 500])
      expect(rebuiltInBatches(events, () => 1 + Math.floor(random.unit() * largest))).toEqual(wanted);
  });

  it('the fleet at any moment is what the read models showed then, by time and by position, in whatever order one asks', async () => {
    const { store, shots, random } = history;
    const currentStore = {
      readStream: store.readStream.bind(store),
      readAll: async (...args: Parameters<typeof store.readAll>) => {
        const batch = await store.readAll(...args);
        return { ...batch, events: batch.events.map(current) };
      },
    };
    const past = new PastFleet(currentStore, projections, 60);
    for (const { timeMs, position, content } of [...shots].sort(() => random.unit() - 0.5)) {
      for (const until of [{ timeMs }, { position }])
        expect([until, contentOf((await past.at(ACCOUNT, until)).models)]).toEqual([until, content]);
    }
  });

  it('every stream folds to the same state, whether step by step or anew', async () => {
    const { store, transactor, steps } = history;
    for (const [stream, { decider }] of steps) {
      const known = await transactor.read(stream, decider);
      const anew = await new Transactor(store, catalogue).read(stream, decider);
      expect([stream, anew]).toEqual([stream, known]);
    }
  });
});

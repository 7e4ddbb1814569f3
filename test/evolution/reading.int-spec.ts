import { join } from 'node:path';
import { canonicalJson, categoryOf, EventCatalogue, STREAM_CATEGORIES, type DomainEvent } from '#kernel';
import type { DesiredStateSource } from '#agent-gateway';
import type { RecordedEvent } from '#event-store';
import type { ProcessManager, Projection } from '#processing';
import { platformEvents } from '../../apps/platform/src/events.js';
import { startTestPlatform, type TestPlatform } from '../../apps/platform/src/testing/test-platform.js';
import { STREAM_FOLDS } from './support/deciders.js';
import { onItsStream, type Envelope } from './support/envelopes.js';
import { envelopesOf, problemsOf, readFrozen } from './support/fixtures.js';
import { BEFORE, Worlds } from './support/worlds.js';

const frozen = readFrozen(join(import.meta.dirname, '../fixtures/events'));
const catalogue = new EventCatalogue(platformEvents);
const subjects = frozen.flatMap((file) =>
  envelopesOf(file).map((envelope, nth) => ({ file, envelope: onItsStream(envelope), nth })),
);
const named = subjects.map(
  ({ file, envelope, nth }) => [`${file.type} v${file.version} #${nth + 1}`, envelope] as const,
);

/** Through the schema: what it drops, refuses or fills in shows as a difference. */
const throughSchema = (envelope: Envelope): unknown => {
  const { data } = catalogue.current(envelope);
  expect(canonicalJson(catalogue.get(envelope.type)!.schema.parse(data))).toBe(canonicalJson(data));
  return data;
};

it('finds every event type and version frozen as it is, and none gone, narrowed or rewritten', () => {
  expect(problemsOf(platformEvents, frozen)).toEqual([]);
});

it('has a frozen event for the streams of every fold, and of each that consumers may filter by', () => {
  const reached = new Set(subjects.map(({ envelope }) => categoryOf(envelope.stream)));
  expect([...reached].sort()).toEqual(Object.keys(STREAM_FOLDS).sort());
  expect([...reached].filter((category) => !category.startsWith('pm_')).sort()).toEqual([...STREAM_CATEGORIES].sort());
});

describe('every frozen event', () => {
  it('stands in its file in canonical form, byte for byte', () => {
    for (const { lines } of frozen)
      for (const line of lines) expect(canonicalJson(JSON.parse(line) as unknown)).toBe(line);
  });

  it.each(named)('%s is read in the current schema, and nothing of it is lost', (_, envelope) => {
    const data = throughSchema(envelope);
    const isOld = envelope.schemaVersion < catalogue.get(envelope.type)!.version;
    if (!isOld) expect(data).toBe(envelope.data);
  });
});

describe('every frozen event, in a log in which it can have happened,', () => {
  let platform: TestPlatform;
  let projections: readonly Projection[];
  let managers: readonly ProcessManager[];
  let sources: readonly DesiredStateSource[];
  const usual = new Map<string, Envelope>();
  const worlds = new Worlds(usual);
  beforeAll(async () => {
    platform = await startTestPlatform({ DROVER_EVENT_STORE: 'memory' });
    const { processing, gateway } = platform.platform.foundation;
    // What the contexts registered at the start: nobody else has the whole list.
    ({ projections, managers } = processing as unknown as { projections: Projection[]; managers: ProcessManager[] });
    ({ sources } = Reflect.get(gateway, 'desired') as { sources: DesiredStateSource[] });
    for (const type of BEFORE)
      usual.set(type, subjects.findLast(({ file }) => file.type === type && file.revision === 1)!.envelope);
  });
  afterAll(() => platform.stop());

  const log = (envelope: Envelope) => worlds.with(envelope).map((event) => catalogue.current(event));

  const project = (projection: Projection, events: readonly RecordedEvent[]) => {
    const docs = new Map<string, object>();
    for (const event of events) {
      for (const key of projection.keys(event)) {
        const doc = projection.fold(docs.get(key), event, key);
        if (doc === undefined) docs.delete(key);
        else docs.set(key, JSON.parse(JSON.stringify(doc)) as object);
      }
    }
    for (const doc of docs.values()) expect(typeof projection.columns(doc).account).toBe('string');
  };

  const react = (manager: ProcessManager, events: readonly RecordedEvent[]) => {
    const states = new Map<string, unknown>();
    for (const event of events) {
      const id = manager.correlate(event);
      if (id === undefined) continue;
      states.set(id, manager.react(states.get(id) ?? manager.initial, { kind: 'event', event }).state);
    }
  };

  it.each(named)(
    '%s is folded by its stream, every projection, process manager and source of desired state',
    (_, it) => {
      const events = log(it);
      const folds = STREAM_FOLDS[categoryOf(it.stream)];
      if (folds === undefined)
        throw new Error(`no fold is known for streams like ${it.stream}: add it to test/evolution/support/deciders.ts`);
      const stream = events.find((event) => event.type === it.type)!.stream;
      for (const { initial, evolve } of folds) {
        const own = events.filter((event) => event.stream === stream) as unknown as DomainEvent[];
        expect(() => own.reduce(evolve, initial)).not.toThrow();
        expect(() => evolve(initial, own.at(-1)!)).not.toThrow();
      }
      for (const projection of projections) project(projection, events);
      for (const manager of managers) react(manager, events);
      for (const source of sources) for (const event of events) void [...source.apply(event)];
      for (const source of sources) source.compile(worlds.instanceId());
    },
  );

  it('was shown to all that fold events', () => {
    expect([projections.length, managers.length, sources.length].every((n) => n >= 3)).toBe(true);
  });
});

import fc from 'fast-check';
import { ManualClock } from '#kernel';
import { MemoryEventStore, type EventMeta, type Position, type RecordedEvent } from '#event-store';
import { defineProjection, InMemoryReadModels, type Projection } from '#processing';
import { PastFleet } from './past-fleet.js';

interface NodeDoc {
  readonly account: string;
  readonly name: string;
  readonly changes: number;
}

const nodes = defineProjection<NodeDoc>({
  name: 'nodes',
  version: 1,
  keys: (event) => [event.stream],
  fold: (doc, event) =>
    event.type === 'system.node.deleted'
      ? undefined
      : { account: event.meta.accountId, name: String(event.data['name']), changes: (doc?.changes ?? 0) + 1 },
  columns: ({ account, name }) => ({ account, name }),
  columnTypes: { name: 'text' },
});
const projections = [nodes as unknown as Projection];

const uuid = (n: number) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const step = fc.record({
  node: fc.integer({ min: 0, max: 4 }),
  account: fc.constantFrom('a', 'b'),
  kind: fc.constantFrom('changed', 'deleted'),
  afterMs: fc.constantFrom(0, 0, 1, 999),
  category: fc.constantFrom('node', 'node', 'node', 'pm_x'),
});
interface Step {
  readonly node: number;
  readonly account: string;
  readonly kind: string;
  readonly afterMs: number;
  readonly category: string;
}

interface Snapshot {
  readonly timeMs: number;
  readonly position: Position;
  readonly docs: Readonly<Record<string, readonly (readonly [string, NodeDoc])[]>>;
}

/** Plays the steps against a live read model of each account; answers what it showed after each of them. */
const play = async (steps: readonly Step[]) => {
  const clock = new ManualClock();
  const store = new MemoryEventStore(clock);
  const live: Record<string, InMemoryReadModels> = {
    a: new InMemoryReadModels(projections),
    b: new InMemoryReadModels(projections),
  };
  const shots: Snapshot[] = [];
  for (const [index, { node, account, kind, afterMs, category }] of steps.entries()) {
    await clock.advance(afterMs);
    const meta = { accountId: account } as EventMeta;
    const event = { id: uuid(index), type: `system.node.${kind}`, schemaVersion: 1, data: { name: `n${index}` }, meta };
    await store.append({ stream: `${category}-${account}${node}`, expected: 'any', events: [event] });
    const recorded = (await store.readAll(BigInt(index) as Position, { limit: 1 })).events[0] as RecordedEvent;
    if (category === 'node') live[account]!.apply(recorded);
    const docs = Object.fromEntries(
      Object.entries(live).map(([name, models]) => [name, [...models.entries<NodeDoc>(nodes)]]),
    );
    shots.push({ timeMs: clock.wallMs(), position: recorded.position, docs });
  }
  return { store, shots };
};

/** What was live last at that very millisecond. */
const lastAt = (shots: readonly Snapshot[], timeMs: number) => shots.filter((s) => s.timeMs <= timeMs).at(-1)?.docs;

it('shows of any random history what the read models showed then, in whatever order one asks', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 60 }),
      fc.infiniteStream(fc.nat()),
      async (steps, choices) => {
        const { store, shots } = await play(steps);
        const fleet = new PastFleet(store, projections, 3);
        for (let asked = 0; asked < 12; asked++) {
          const shot = shots[choices.next().value % shots.length]!;
          const account = choices.next().value % 2 === 0 ? 'a' : 'b';
          const byPosition = await fleet.at(account, { position: shot.position });
          expect(byPosition.models.entries(nodes)).toEqual(shot.docs[account]);
          const timeMs = shot.timeMs + (choices.next().value % 3) - 1;
          const byTime = await fleet.at(account, { timeMs });
          expect(byTime.models.entries(nodes)).toEqual(lastAt(shots, timeMs)?.[account] ?? []);
        }
      },
    ),
    { numRuns: 150 },
  );
});

it('is empty before the first event, and reads on from the nearest state that it kept', async () => {
  const steps: Step[] = Array.from({ length: 40 }, (_, i) => ({
    node: i % 5,
    account: 'a',
    kind: 'changed',
    afterMs: 10,
    category: 'node',
  }));
  const { store, shots } = await play(steps);
  const froms: bigint[] = [];
  const counting = {
    readAll: (...args: Parameters<typeof store.readAll>) => (froms.push(args[0]), store.readAll(...args)),
    readStream: store.readStream.bind(store),
  };
  const fleet = new PastFleet(counting, projections, 10);
  const before = await fleet.at('a', { timeMs: shots[0]!.timeMs - 1 });
  expect([before.events, before.position, before.models.entries(nodes)]).toEqual([0, 0n, []]);
  await fleet.at('a', { position: shots[29]!.position });
  froms.length = 0;
  const later = await fleet.at('a', { position: shots[35]!.position });
  expect(froms[0]).toBe(shots[29]!.position);
  expect(later.models.entries(nodes)).toEqual(shots[35]!.docs['a']);
});

it('never lets a caller change what is kept for the next one', async () => {
  const steps: Step[] = Array.from({ length: 20 }, () => ({
    node: 1,
    account: 'a',
    kind: 'changed',
    afterMs: 1,
    category: 'node',
  }));
  const { store, shots } = await play(steps);
  const fleet = new PastFleet(store, projections, 1);
  const first = await fleet.at('a', { position: shots[9]!.position });
  first.models.apply({
    ...(await store.readAll(0n as Position, { limit: 1 })).events[0]!,
    type: 'system.node.deleted',
  });
  expect((await fleet.at('a', { position: shots[9]!.position })).models.entries(nodes)).toEqual(shots[9]!.docs['a']);
});

import { silentLog, systemClock } from '#kernel';
import { MemoryEventStore, position, START, type Position } from '#event-store';
import { MemoryFaults } from '../adapters/memory/memory-faults.js';
import { poisonOf } from '../host/reports.js';
import { memoryStorage } from '../host/storage.js';
import { doorCatalogue } from '../testing/host-fixture.js';
import { openDoor } from '../testing/doors.js';
import { Transactor } from '../transactor.js';
import { Chase } from './chase.js';
import type { Lane } from './lane.js';

it('names no event when what comes after the events fails: none of those applied is offered for skipping', async () => {
  const store = new MemoryEventStore(systemClock);
  const transactor = new Transactor(store, doorCatalogue);
  for (const door of ['a', 'b', 'c']) await openDoor(transactor, door, 0);
  const head = await store.head();
  let at: Position = START;
  const lane: Lane = {
    name: 'projection:doors_v1',
    get position() {
      return at;
    },
    apply: async (_, through) => void (at = through),
    prepare: async () => Promise.reject(new Error('no room for the index')),
  };
  const faults = new MemoryFaults();
  const edges = { clock: systemClock, random: () => 0, log: silentLog };
  const chase = new Chase(lane, { store, catalogue: doorCatalogue, faults, ...edges }, () => undefined);
  for (const attempts of [1, 2]) {
    await chase.step(async () => true);
    expect(await faults.list()).toMatchObject([{ position: head, error: 'no room for the index', attempts }]);
  }
});

it.each([
  ['applied', 2n, undefined],
  ['not applied', 3n, 'c'],
])('an event at the place of a fault, %s, is poison or not', async (_, faultAt, door) => {
  const store = new MemoryEventStore(systemClock);
  const transactor = new Transactor(store, doorCatalogue);
  for (const name of ['a', 'b', 'c']) await openDoor(transactor, name, 0);
  const faults = new MemoryFaults();
  const fault = { lane: 'projection:doors_v1', position: position(faultAt), error: 'why', attempts: 1, sinceMs: 0 };
  await faults.record(fault);
  const storage = memoryStorage();
  const table = { table: 'doors_v1', name: 'doors', version: 1, state: 'active', position: position(2n) };
  const readModels = { tables: async () => [{ ...table, orderedAt: START, skipped: [] }] };
  const sources = { store, storage: { ...storage, faults, readModels: readModels as never } };
  expect((await poisonOf(sources, 'doors'))?.event.data['door']).toBe(door);
});

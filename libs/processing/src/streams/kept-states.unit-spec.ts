import fc from 'fast-check';
import { accept, ManualClock, nothing, type Decider } from '#kernel';
import { MemoryEventStore } from '#event-store';
import type { CommandContext } from '../command.js';
import { closed, doorEvents, opened } from '../testing/doors.js';
import { doorCatalogue } from '../testing/host-fixture.js';
import { Transactor } from '../transactor.js';
import { MemoryKeptStates } from './kept-states.js';

type Event = ReturnType<(typeof doorEvents)[number]>;
interface Door {
  readonly open: boolean;
  readonly changes: number;
}

const door = (name: string, revive: (value: unknown) => Door | undefined): Decider<Door, 'turn' | 'close', Event> => ({
  initial: { open: false, changes: 0 },
  evolve: (state, event) => ({ open: event.type === opened.type, changes: state.changes + 1 }),
  decide: (ask, { open }) => {
    if (ask === 'close' && !open) return nothing('already closed');
    return accept(open ? closed({ door: 'd', by: 'me' }) : opened({ door: 'd' }));
  },
  kept: { name, revive },
});
const kept = door('door.1', (value) => value as Door);
const whole = { ...kept, kept: undefined } as unknown as typeof kept;

const context = (commandId: string): CommandContext => ({
  ...{ commandId, correlationId: commandId, causationId: commandId, accountId: 'account-a', nowMs: 0 },
  actor: { kind: 'operator', id: 'op' },
});

class CountingStore extends MemoryEventStore {
  read = 0;
  override async *readStream(stream: string, fromVersion?: number) {
    for await (const event of super.readStream(stream, fromVersion)) {
      this.read++;
      yield event;
    }
  }
}

const EVERY = 5;
const setUp = () => {
  const store = new CountingStore(new ManualClock());
  const states = new MemoryKeptStates();
  const started = () => new Transactor(store, doorCatalogue, { states, every: EVERY });
  return { store, states, started };
};
const grown = async (length: number) => {
  const world = setUp();
  const transactor = world.started();
  for (let i = 0; i < length; i++) await transactor.transact('door-d', kept, 'turn', context(`c${i}`));
  world.store.read = 0;
  return world;
};

it('gives the same answers as reading everything, whatever two processes do, restart and repeat', async () => {
  const step = fc.record({
    who: fc.nat(1),
    ask: fc.constantFrom('turn' as const, 'close' as const),
    repeats: fc.option(fc.nat(60)),
    restarts: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
      const [bounded, reference] = [setUp(), new MemoryEventStore(new ManualClock())];
      const both = [bounded.started(), bounded.started()];
      for (const [i, { who, ask, repeats, restarts }] of steps.entries()) {
        const command = context(`c${repeats !== null && repeats < i ? repeats : i}`);
        if (restarts) both[who] = bounded.started();
        const got = await both[who]!.transact('door-d', kept, ask, command);
        const wanted = await new Transactor(reference, doorCatalogue).transact('door-d', whole, ask, command);
        expect(got).toEqual(wanted);
      }
      const wanted = await new Transactor(reference, doorCatalogue).read('door-d', whole);
      expect(await bounded.started().read('door-d', kept)).toEqual(wanted);
    }),
    { numRuns: 150 },
  );
});

it('reads a few events of a stream of hundreds, in a process that has just started', async () => {
  const { store, started } = await grown(403);
  const repeated = await started().transact('door-d', kept, 'turn', context('c7'));
  expect(repeated).toMatchObject({ kind: 'nothing', reason: 'already_done', position: 8n, state: { changes: 403 } });
  expect(await started().transact('door-d', kept, 'turn', context('new'))).toMatchObject({ kind: 'accepted' });
  expect(store.read).toBeLessThan(4 * EVERY);
});

it('looks at nothing that was kept of another log, by another fold, or that is no state', async () => {
  const { states } = await grown(100);
  const another = setUp();
  const here = () => new Transactor(another.store, doorCatalogue, { states, every: EVERY });
  const first = new Transactor(another.store, doorCatalogue);
  for (let i = 0; i < 200; i++) await first.transact('door-d', kept, 'turn', context(`other${i}`));
  expect((await here().read('door-d', kept))!.state.changes).toBe(200);
  const { store, started } = await grown(100);
  const next = { ...kept, evolve: (s: Door, e: Event) => ({ ...kept.evolve(s, e), changes: s.changes + 2 }) };
  const renamed = { ...next, kept: { ...kept.kept!, name: 'door.2' } };
  expect((await started().read('door-d', renamed))!.state.changes).toBe(200);
  const broken = door('door.2', () => undefined);
  store.read = 0;
  expect((await started().read('door-d', broken))!.state.changes).toBe(100);
  expect(store.read).toBe(100);
});

it('goes on without what is kept while that cannot be had', async () => {
  const { started, states } = await grown(100);
  states.load = () => Promise.reject(new Error('away'));
  states.save = () => Promise.reject(new Error('away'));
  const done = await started().transact('door-d', kept, 'turn', context('c7'));
  expect(done).toMatchObject({ kind: 'nothing', reason: 'already_done', state: { changes: 100 } });
});

it('remembers long streams that nobody keeps, each event of them read once', async () => {
  const world = setUp();
  const transactor = world.started();
  for (let i = 0; i < 5_200; i++) await transactor.transact('door-d', whole, 'turn', context(`c${i}`));
  // Each read once; until now each decision above 5,000 read them all.
  expect(world.store.read).toBeLessThanOrEqual(5_200);
});

const byAnother = async (world: ReturnType<typeof setUp>, from: number, to: number) => {
  const other = new Transactor(world.store, doorCatalogue);
  for (let i = from; i < to; i++) await other.transact('door-d', whole, 'turn', context(`another${i}`));
  world.store.read = 0;
};
const aMoment = () => new Promise((resolve) => setImmediate(resolve));
/** How often something is kept, which takes until it may end. */
const slowlyKept = ({ states }: ReturnType<typeof setUp>) => {
  const save = states.save.bind(states);
  let mayEnd = (): void => undefined;
  const end = new Promise<void>((resolve) => (mayEnd = resolve));
  const kept = { times: 0, mayEnd };
  states.save = async (...given) => {
    kept.times++;
    await end;
    await aMoment();
    return save(...given);
  };
  return kept;
};

it('is read and kept once, however many ask a process that has just started, or that others have written past', async () => {
  const world = setUp();
  await byAnother(world, 0, 203);
  const kept20 = slowlyKept(world);
  const fresh = world.started();
  const readBy20 = () => Promise.all(Array.from({ length: 20 }, () => fresh.read('door-d', kept)));
  const first = readBy20();
  await aMoment();
  kept20.mayEnd();
  expect((await first).map((found) => found!.version)).toEqual(Array.from({ length: 20 }, () => 203));
  expect([world.store.read, kept20.times]).toEqual([203, 1]);
  await byAnother(world, 203, 210);
  expect((await readBy20()).every((found) => found!.state.changes === 210)).toBe(true);
  expect(kept20.times).toBe(2);
});

it('who waits while another reads it all is told what was written meanwhile, too', async () => {
  const world = setUp();
  await byAnother(world, 0, 50);
  const keeping = slowlyKept(world);
  const fresh = world.started();
  const first = fresh.read('door-d', kept);
  while (keeping.times === 0) await aMoment();
  await byAnother(world, 50, 51);
  const second = fresh.read('door-d', kept);
  await aMoment();
  keeping.mayEnd();
  expect([(await first)!.version, (await second)!.version]).toEqual([50, 51]);
  expect(world.store.read).toBe(1);
});

it('who waits for one that cannot read is told so, and the next one reads', async () => {
  const world = setUp();
  await byAnother(world, 0, 50);
  const read = world.store.readStream.bind(world.store);
  world.store.readStream = () => {
    throw new Error('away');
  };
  const fresh = world.started();
  const asked = await Promise.allSettled([fresh.read('door-d', kept), fresh.read('door-d', kept)]);
  expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  world.store.readStream = read;
  expect((await fresh.read('door-d', kept))!.version).toBe(50);
});

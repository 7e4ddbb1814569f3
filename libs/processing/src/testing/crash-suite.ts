import { deterministicUuid, isoTime, systemClock } from '#kernel';
import type { EventStore } from '#event-store';
import type { Command, CommandDispatcher, CommandResult } from '../command.js';
import { Transactor } from '../transactor.js';
import { closed, doorman, doors, inputsOf, openDoor, typesIn } from './doors.js';
import { CrashPlan } from './crash-plan.js';
import { doorCatalogue, doorHost, until } from './host-fixture.js';
import type { ProcessManager } from '../process-manager.js';
import type { ProcessingStorage } from '../host/storage.js';

const DOORS = ['front', 'back'];

/** Each command rings a bell whose event has the command's id: a command that took effect twice would ring twice. */
const bells = (store: EventStore): CommandDispatcher => ({
  dispatch: async <P extends object, T>(command: Command<P, T>): Promise<CommandResult<T>> => {
    const { door } = command.payload as unknown as { door: string };
    const { accountId, actor, commandId, correlationId, causationId } = command.context;
    const cause = { accountId, actor, commandId, correlationId, causationId };
    const meta = { ...cause, occurredAt: isoTime(0), severity: 'info' as const, links: {}, topics: [] };
    const id = deterministicUuid('bell', commandId);
    const data = { door, by: actor.id };
    const events = [{ id, type: closed.type, schemaVersion: 1, data, meta }];
    await store.append({ stream: `bell-${door}`, expected: 'any', events });
    return { kind: 'done', value: undefined as T };
  },
});

const incarnation = (store: EventStore, storage: ProcessingStorage, plan: CrashPlan) => {
  const wrapped: ProcessingStorage = {
    readModels: plan.wrap(storage.readModels, 'open', 'load', 'commit', 'advance'),
    checkpoints: plan.wrap(storage.checkpoints, 'claim', 'save'),
    faults: plan.wrap(storage.faults),
    leader: storage.leader,
    timers: (epoch) => plan.wrap(storage.timers(epoch), 'sync', 'due', 'next'),
    snapshot: () => storage.snapshot(),
  };
  const dispatcher = plan.wrap(bells(store), 'dispatch');
  const managers = [doorman(0) as unknown as ProcessManager];
  return doorHost({ store: plan.wrap(store, 'append'), storage: wrapped, dispatcher, managers }).host;
};

const finished = async (store: EventStore, storage: ProcessingStorage): Promise<boolean> => {
  for (const door of DOORS) if ((await inputsOf(store, `pm_doorman-${door}`)).length < 3) return false;
  if ((await storage.timers(0).next()) !== undefined) return false;
  const at = await storage.readModels.positions([doors as never]);
  return at.get('doors') === (await store.head());
};

export interface CrashGround {
  readonly store: EventStore;
  readonly storage: ProcessingStorage;
  close(): Promise<void>;
}

const play = async (ground: CrashGround, plan: CrashPlan, nth: number): Promise<void> => {
  const { store, storage } = ground;
  const transactor = new Transactor(store, doorCatalogue);
  for (const door of DOORS) await openDoor(transactor, door, systemClock.wallMs());
  const first = incarnation(store, storage, plan);
  const starting = first.start();
  await until('crash or end', async () => plan.crashed || (await finished(store, storage)));
  await first.stop();
  await starting;
  if (!plan.crashed) return;
  const second = incarnation(store, storage, new CrashPlan(0, 'before'));
  await second.start();
  await until(`the end after a crash at call ${nth} (${plan.crashedAt})`, () => finished(store, storage));
  await second.stop();
  for (const door of DOORS) {
    expect(await inputsOf(store, `pm_doorman-${door}`)).toEqual(['event', 'timer', 'command_result']);
    expect(await typesIn(store, `bell-${door}`)).toEqual([closed.type]);
    expect(await storage.readModels.get(doors, door)).toEqual({ door, open: false, times: 1 });
  }
};

/** Kills a host at call 1, 1 + stride, 1 + 2 strides, … until it gets through without meeting its end. */
export const crashSuite = (
  name: string,
  stride: number,
  steps: readonly string[],
  open: () => Promise<CrashGround>,
) => {
  describe.each(['before', 'after'] as const)(
    `on ${name}, a process killed %s a call to the outside takes effect`,
    (when) => {
      it('loses nothing and does nothing twice, whichever call it is', async () => {
        const met = new Set<string>();
        for (let nth = 1; ; nth += stride) {
          const ground = await open();
          const plan = new CrashPlan(nth, when);
          await play(ground, plan, nth);
          await ground.close();
          if (!plan.crashed) break;
          met.add(plan.crashedAt!);
        }
        // The matrix is worth something only if it met these kinds of steps.
        expect([...met]).toEqual(expect.arrayContaining([...steps]));
      });
    },
  );
};

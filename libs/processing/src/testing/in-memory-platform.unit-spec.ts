import { ManualClock } from '#kernel';
import { createInMemoryPlatform } from './in-memory-platform.js';
import { CloseDoor, closeDoor, doorEvents, doorman, doors, inputsOf, openDoor, typesIn } from './doors.js';

const setUp = (over: Partial<Parameters<typeof createInMemoryPlatform>[0]> = {}) => {
  const clock = (over.clock as ManualClock | undefined) ?? new ManualClock();
  const platform = createInMemoryPlatform({ definitions: doorEvents, ...over, clock });
  platform.processing.addProjection(doors);
  platform.processing.addProcessManager(doorman(1_000));
  platform.processing.addCommand(CloseDoor);
  platform.handle(CloseDoor, closeDoor(platform.transactor));
  return { ...platform, clock, open: (name: string) => openDoor(platform.transactor, name, clock.wallMs()) };
};

describe('the in-memory platform', () => {
  it('carries a command through events, read model, process manager, timer and command back to events', async () => {
    const { open, drain, clock, readModels, store } = setUp();
    await open('front');
    await drain();
    expect(await readModels.get(doors, 'front')).toEqual({ door: 'front', open: true, times: 1 });
    await clock.advance(999);
    await drain();
    expect(await readModels.find(doors, { where: { open: true } })).toHaveLength(1);
    await clock.advance(1);
    await drain();
    expect(await readModels.get(doors, 'front')).toMatchObject({ open: false });
    expect(await typesIn(store, 'door-front')).toEqual(['system.door.opened', 'system.door.closed']);
    const events = [];
    for await (const event of store.readStream('door-front')) events.push(event);
    const actor = { kind: 'process_manager', id: 'doorman' };
    expect(events[1]!.meta).toMatchObject({ correlationId: 'corr-front', accountId: 'account-a', actor });
  });

  it('gives a refusal back to the process manager as an input', async () => {
    const { open, drain, clock, store } = setUp();
    await open('stuck');
    await drain();
    await clock.advance(1_000);
    await drain();
    expect(await inputsOf(store, 'pm_doorman-stuck')).toEqual(['event', 'timer', 'command_result']);
  });

  it('does everything once when a second platform starts over the same log', async () => {
    const first = setUp();
    await first.open('front');
    await first.drain();
    await first.clock.advance(1_000);
    await first.drain();
    const length = await first.store.head();
    const second = setUp({ clock: first.clock, store: first.store });
    await second.drain();
    expect(await second.store.head()).toBe(length);
    expect(await second.readModels.get(doors, 'front')).toEqual({ door: 'front', open: false, times: 1 });
  });

  it('throws what a handler throws and continues at the same command afterwards', async () => {
    const { open, drain, clock, dispatcher, readModels, store } = setUp();
    await open('front');
    await drain();
    await clock.advance(1_000);
    const dispatch = dispatcher.dispatch.bind(dispatcher);
    dispatcher.dispatch = () => Promise.reject(new Error('no database'));
    await expect(drain()).rejects.toThrow('no database');
    dispatcher.dispatch = dispatch;
    await drain();
    expect(await readModels.get(doors, 'front')).toMatchObject({ open: false });
    expect(await inputsOf(store, 'pm_doorman-front')).toEqual(['event', 'timer', 'command_result']);
  });

  it('refuses to fold an event type that nobody defined', async () => {
    const { store, drain } = setUp();
    await store.append({
      stream: 'door-odd',
      expected: 'no_stream',
      events: [
        {
          id: '00000000-0000-4000-8000-00000000abcd',
          type: 'system.door.painted',
          schemaVersion: 1,
          data: {},
          meta: {} as never,
        },
      ],
    });
    await expect(drain()).rejects.toThrow('unknown event type system.door.painted');
  });
});

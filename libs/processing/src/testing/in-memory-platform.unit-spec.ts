import { z } from 'zod';
import { accept, defineEvent, ManualClock, nothing, refusal, type Decider, type EventOf } from '#kernel';
import { Command, type CommandResult } from '../command.js';
import { defineProcessManager } from '../process-manager.js';
import { defineProjection } from '../projection.js';
import { createInMemoryPlatform } from './in-memory-platform.js';

const opened = defineEvent('system.door.opened', 1, z.object({ door: z.string() }));
const closed = defineEvent('system.door.closed', 1, z.object({ door: z.string(), by: z.string() }));
type DoorEvent = EventOf<typeof opened> | EventOf<typeof closed>;

const door: Decider<{ open: boolean }, { type: 'open' | 'close'; door: string; by: string }, DoorEvent> = {
  initial: { open: false },
  evolve: (_state, event) => ({ open: event.type === 'system.door.opened' }),
  decide: (command, state) => {
    if (command.type === 'open') return state.open ? nothing('already open') : accept(opened({ door: command.door }));
    return state.open ? accept(closed({ door: command.door, by: command.by })) : nothing('already closed');
  },
};

class CloseDoor extends Command<{ door: string }> {
  static readonly type = 'test.close_door';
}
class OpenDoor extends Command<{ door: string }> {
  static readonly type = 'test.open_door';
}

const doors = defineProjection<{ door: string; open: boolean; times: number }>({
  name: 'doors',
  version: 1,
  keys: (event) => (event.type.startsWith('system.door.') ? [String(event.data['door'])] : []),
  fold: (doc, event, key) => {
    const open = event.type === 'system.door.opened';
    return { door: key, open, times: (doc?.times ?? 0) + (open ? 1 : 0) };
  },
  columns: (doc) => ({ account: 'account-a', open: doc.open }),
  columnTypes: { open: 'boolean' },
});

/** Closes a door that has stood open for a second. */
const doorman = defineProcessManager<{ results: string[] }>({
  name: 'doorman',
  agentId: 'doorman_agent',
  correlate: (event) => (event.type === 'system.door.opened' ? String(event.data['door']) : undefined),
  initial: { results: [] },
  react: (state, input) => {
    if (input.kind === 'event') {
      const dueMs = Date.parse(input.event.meta.occurredAt) + 1_000;
      return {
        state,
        outputs: [{ kind: 'timer', name: 'shut', dueMs, data: { door: String(input.event.data['door']) } }],
      };
    }
    if (input.kind === 'timer')
      return { state, outputs: [{ kind: 'command', type: CloseDoor.type, payload: input.data }] };
    return { state: { results: [...state.results, input.code ?? input.outcome] }, outputs: [] };
  },
});

const setUp = () => {
  const clock = new ManualClock();
  const platform = createInMemoryPlatform({ definitions: [opened, closed], clock });
  const { processing, transactor } = platform;
  processing.addProjection(doors);
  processing.addProcessManager(doorman);
  processing.addCommand(CloseDoor);
  const run = async (type: 'open' | 'close', c: Command<{ door: string }>): Promise<CommandResult> => {
    const command = { type, door: c.payload.door, by: c.context.actor.id };
    const result = await transactor.transact(`account-${c.payload.door}`, door, command, c.context);
    return result.kind === 'refused' ? result : { kind: 'done', value: undefined };
  };
  platform.handle(CloseDoor, async (c) =>
    c.payload.door === 'stuck'
      ? { kind: 'refused', refusal: refusal(409, 'stuck', 'the door is stuck') }
      : run('close', c),
  );
  platform.handle(OpenDoor, (c) => run('open', c));
  const open = (name: string, commandId = platform.ids.uuid()) =>
    platform.dispatch(
      new OpenDoor(
        { door: name },
        {
          commandId,
          correlationId: 'corr-1',
          causationId: commandId,
          accountId: 'account-a',
          actor: { kind: 'operator', id: 'op' },
          nowMs: clock.wallMs(),
        },
      ),
    );
  return { ...platform, clock, open };
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
    const events = [];
    for await (const event of store.readStream('account-front')) events.push(event);
    expect(events.map((e) => e.type)).toEqual(['system.door.opened', 'system.door.closed']);
    expect(events[1]!.meta).toMatchObject({
      correlationId: 'corr-1',
      actor: { kind: 'process_manager', id: 'doorman' },
    });
  });

  it('gives a refusal back to the process manager as an input', async () => {
    const { open, drain, clock, store } = setUp();
    await open('stuck');
    await drain();
    await clock.advance(1_000);
    await drain();
    const inputs = [];
    for await (const event of store.readStream('pm_doorman-stuck'))
      inputs.push(event.data['input'] as Record<string, unknown>);
    expect(inputs.map((i) => i['kind'])).toEqual(['event', 'timer', 'command_result']);
    expect(inputs[2]).toMatchObject({ outcome: 'refused', code: 'stuck', message: 'the door is stuck' });
  });

  it('does everything once when a second platform starts over the same log', async () => {
    const first = setUp();
    await first.open('front');
    await first.drain();
    await first.clock.advance(1_000);
    await first.drain();
    const length = await first.store.head();
    const second = createInMemoryPlatform({ definitions: [opened, closed], clock: first.clock, store: first.store });
    second.processing.addProjection(doors);
    second.processing.addProcessManager(doorman);
    second.processing.addCommand(CloseDoor);
    await second.drain();
    expect(await second.store.head()).toBe(length);
    expect(await second.readModels.get(doors, 'front')).toEqual({ door: 'front', open: false, times: 1 });
  });

  it('throws what a handler throws and continues at the same command afterwards', async () => {
    const { open, drain, clock, dispatcher, readModels } = setUp();
    const dispatch = dispatcher.dispatch.bind(dispatcher);
    let failures = 2;
    dispatcher.dispatch = (command) => (failures-- > 0 ? Promise.reject(new Error('no database')) : dispatch(command));
    await expect(open('front')).rejects.toThrow('no database');
    failures = 0;
    await open('front');
    await drain();
    await clock.advance(1_000);
    failures = 1;
    await expect(drain()).rejects.toThrow('no database');
    await drain();
    expect(await readModels.get(doors, 'front')).toMatchObject({ open: false });
  });
});

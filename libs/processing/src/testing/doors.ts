import { z } from 'zod';
import { accept, defineEvent, deterministicUuid, nothing, refusal, type Decider, type EventOf } from '#kernel';
import type { EventStore } from '#event-store';
import { Command, type CommandContext, type CommandResult } from '../command.js';
import { defineProcessManager } from '../process-manager.js';
import { defineProjection } from '../projection.js';
import type { Transactor } from '../transactor.js';

/** A small domain for the tests of this library: doors, and a doorman who shuts those that stay open. */
export const opened = defineEvent('system.door.opened', 1, z.object({ door: z.string() }));
export const closed = defineEvent('system.door.closed', 1, z.object({ door: z.string(), by: z.string() }));
export const doorEvents = [opened, closed] as const;
type DoorEvent = EventOf<(typeof doorEvents)[number]>;

const door: Decider<{ open: boolean }, { type: 'open' | 'close'; door: string; by: string }, DoorEvent> = {
  initial: { open: false },
  evolve: (_state, event) => ({ open: event.type === opened.type }),
  decide: (command, state) => {
    if (command.type === 'open') return state.open ? nothing('already open') : accept(opened({ door: command.door }));
    return state.open ? accept(closed({ door: command.door, by: command.by })) : nothing('already closed');
  },
};

export class CloseDoor extends Command<{ door: string }> {
  static readonly type = 'test.close_door';
}

export interface Door {
  readonly door: string;
  readonly open: boolean;
  readonly times: number;
}

export const doors = defineProjection<Door>({
  name: 'doors',
  version: 1,
  keys: (event) => (event.type.startsWith('system.door.') ? [String(event.data['door'])] : []),
  fold: (doc, event, key) => {
    const open = event.type === opened.type;
    return { door: key, open, times: (doc?.times ?? 0) + (open ? 1 : 0) };
  },
  columns: (doc) => ({ account: 'account-a', open: doc.open }),
  columnTypes: { open: 'boolean' },
});

/** Closes a door `patienceMs` after it was opened; a refusal is noted. */
export const doorman = (patienceMs: number) =>
  defineProcessManager<{ results: string[] }>({
    name: 'doorman',
    agentId: 'doorman_agent',
    correlate: (event) => (event.type === opened.type ? String(event.data['door']) : undefined),
    initial: { results: [] },
    react: (state, input) => {
      if (input.kind === 'event') {
        const dueMs = Date.parse(input.event.meta.occurredAt) + patienceMs;
        const data = { door: String(input.event.data['door']) };
        return {
          state,
          outputs: [
            { kind: 'timer', name: 'shut', dueMs, data },
            { kind: 'note', text: 'waiting' },
          ],
        };
      }
      if (input.kind === 'timer') {
        return { state, outputs: [{ kind: 'command', type: CloseDoor.type, payload: input.data }] };
      }
      return { state: { results: [...state.results, input.code ?? input.outcome] }, outputs: [] };
    },
  });

const run = async (
  transactor: Transactor,
  type: 'open' | 'close',
  name: string,
  context: CommandContext,
): Promise<CommandResult> => {
  const result = await transactor.transact(`door-${name}`, door, { type, door: name, by: context.actor.id }, context);
  return result.kind === 'refused' ? result : { kind: 'done', value: undefined, position: result.position };
};

/** The door `stuck` refuses to close. */
export const closeDoor =
  (transactor: Transactor) =>
  async (command: CloseDoor): Promise<CommandResult> =>
    command.payload.door === 'stuck'
      ? { kind: 'refused', refusal: refusal(409, 'stuck', 'the door is stuck') }
      : run(transactor, 'close', command.payload.door, command.context);

export const openDoor = async (transactor: Transactor, name: string, nowMs: number, nth = 0) => {
  const commandId = deterministicUuid('open', name, nth);
  const result = await run(transactor, 'open', name, {
    commandId,
    correlationId: `corr-${name}`,
    causationId: commandId,
    accountId: 'account-a',
    actor: { kind: 'operator', id: 'op' },
    nowMs,
  });
  if (result.kind === 'refused') throw new Error(result.refusal.message);
  return result.position!;
};

/** Types of the events in a stream, in order. */
export const typesIn = async (store: EventStore, stream: string): Promise<string[]> => {
  const types: string[] = [];
  for await (const event of store.readStream(stream)) types.push(event.type);
  return types;
};

/** Kinds of the inputs in a process manager's inbox, in order. */
export const inputsOf = async (store: EventStore, stream: string): Promise<string[]> => {
  const kinds: string[] = [];
  for await (const event of store.readStream(stream)) kinds.push((event.data['input'] as { kind: string }).kind);
  return kinds;
};

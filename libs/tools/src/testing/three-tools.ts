import { z } from 'zod';
import { ManualClock, sequentialIds, silentLog } from '#kernel';
import { position } from '#event-store';
import { Command, type CommandDispatcher, type CommandResult } from '#processing';
import type { Principal } from '#access';
import { CursorCodec } from '../cursor.js';
import { defineTool } from '../define-tool.js';
import { MemoryIdempotencyLedger } from '../idempotency.js';
import { PlanCodec } from '../plan.js';
import type { ToolAnswer } from '../tool-call.js';
import { ToolRegistry } from '../tool-registry.js';

class Rename extends Command<{ name: string }, { name: string }> {
  static readonly type = 'test.rename';
}

const rename = defineTool({
  name: 'system_rename_thing',
  group: 'nodes',
  summary: 'Renames a thing',
  description: 'Renames a thing.',
  input: z.object({
    hostname: z.string().min(1),
    mode: z.enum(['mesh', 'hub']).default('mesh'),
    assignments: z
      .array(z.object({ module: z.string(), config: z.record(z.string(), z.unknown()).optional() }))
      .optional(),
  }),
  output: z.object({ thing: z.object({ name: z.string() }) }),
  permission: 'system.nodes.write',
  danger: 'change',
  aliases: { name: 'hostname' },
});

const restart = defineTool({
  name: 'system_restart_thing',
  group: 'nodes',
  summary: 'Restarts a thing',
  description: 'Restarts a thing.',
  input: z.object({ id: z.string() }),
  output: z.object({}),
  permission: 'system.nodes.write',
  danger: 'change',
  disruptive: true,
});

const list = defineTool({
  name: 'system_list_things',
  group: 'nodes',
  summary: 'Lists things',
  description: 'Lists things.',
  input: z.object({ limit: z.number().int().max(10).default(5) }),
  output: z.object({ things: z.array(z.string()) }),
  permission: 'system.nodes.read',
  danger: 'read',
});

/** Somebody with these permissions in an account. */
export const principal = (permissions: string[] = ['*'], account = 'a'): Principal => ({
  operatorId: 'operator-00000000-0000-4000-8000-000000000001',
  accountId: `account-${account}`,
  name: 'op',
  permissions: new Set(permissions),
});

/** A registry of three tools, whose commands are answered by `result`. */
export const setup = (result: (command: Rename) => CommandResult<{ name: string }> = done) => {
  const sent: Rename[] = [];
  const dispatcher: CommandDispatcher = {
    dispatch: async (command) => {
      sent.push(command as unknown as Rename);
      return result(command as unknown as Rename) as never;
    },
  };
  let wait: 'current' | 'behind' = 'current';
  const registry = new ToolRegistry({
    dispatcher,
    readYourWrites: { waitFor: async () => wait },
    ledger: new MemoryIdempotencyLedger(),
    cursors: new CursorCodec(new Uint8Array(32)),
    clock: new ManualClock(),
    ids: sequentialIds(),
    log: silentLog,
    onBadOutput: 'throw',
    plans: new PlanCodec(new Uint8Array(32)),
  });
  registry.usePreviews({ preview: async () => ({ kind: 'outside' }) });
  registry.add(rename, async (input, call) => {
    const thing = await call.run(Rename, { name: input.hostname });
    await call.settle({ name: 'things' });
    return { thing };
  });
  registry.add(restart, async ({ id }, call) => {
    await call.run(Rename, { name: id });
    return {};
  });
  registry.add(list, async () => ({ things: ['one'] }));
  const call = (name: string, args: unknown, who = principal()) =>
    registry.call({ name, arguments: args, principal: who });
  return { registry, sent, call, beBehind: () => (wait = 'behind') };
};

const done = (command: Rename): CommandResult<{ name: string }> => ({
  kind: 'done',
  value: { name: command.payload.name },
  position: position(7),
  warnings: ['outage_expected'],
});

export const refused = (answer: ToolAnswer) => {
  if (answer.kind !== 'refused') throw new Error(`not refused: ${JSON.stringify(answer)}`);
  return answer.refusal;
};
export const data = (answer: ToolAnswer) => {
  if (answer.kind !== 'ok') throw new Error(`not ok: ${JSON.stringify(answer)}`);
  return answer.data;
};

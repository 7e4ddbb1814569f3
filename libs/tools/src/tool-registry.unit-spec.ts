import { z } from 'zod';
import { ManualClock, refusal, sequentialIds, silentLog } from '#kernel';
import { EventStoreUnavailableError, position } from '#event-store';
import { Command, type CommandDispatcher, type CommandResult } from '#processing';
import type { Principal } from '#access';
import { CursorCodec } from './cursor.js';
import { defineTool } from './define-tool.js';
import { MemoryIdempotencyLedger } from './idempotency.js';
import type { ToolAnswer } from './tool-call.js';
import { PlanCodec } from './plan.js';
import { restArguments } from './rest/arguments.js';
import { ToolRegistry } from './tool-registry.js';

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

const principal = (permissions: string[] = ['*'], account = 'a'): Principal => ({
  operatorId: 'operator-00000000-0000-4000-8000-000000000001',
  accountId: `account-${account}`,
  name: 'op',
  permissions: new Set(permissions),
});

const setup = (result: (command: Rename) => CommandResult<{ name: string }> = done) => {
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

const refused = (answer: ToolAnswer) => {
  if (answer.kind !== 'refused') throw new Error(`not refused: ${JSON.stringify(answer)}`);
  return answer.refusal;
};
const data = (answer: ToolAnswer) => {
  if (answer.kind !== 'ok') throw new Error(`not ok: ${JSON.stringify(answer)}`);
  return answer.data;
};

describe('a call', () => {
  it('answers its data with outcome, position, correlation id and the warnings of its commands', async () => {
    const { call } = setup();
    const answer = data(await call('system_rename_thing', { hostname: 'web-1' }));
    expect(answer).toMatchObject({ thing: { name: 'web-1' }, outcome: 'done', warnings: ['outage_expected'] });
    expect(answer.position).toEqual(expect.any(String));
    expect(answer.correlation_id).toEqual(expect.any(String));
    expect(answer).not.toHaveProperty('normalised');
  });

  it('says nothing when nothing had to change, and behind when the read model lags', async () => {
    const still = setup((c) => ({ kind: 'done', value: { name: c.payload.name } }));
    expect(data(await still.call('system_rename_thing', { hostname: 'x' }))).toMatchObject({ outcome: 'nothing' });
    const lagging = setup();
    lagging.beBehind();
    expect(data(await lagging.call('system_rename_thing', { hostname: 'x' }))).toMatchObject({ read_model: 'behind' });
  });

  it('accepts the platform. prefix and reports aliases as normalised', async () => {
    const { call } = setup();
    const answer = data(await call('platform.system_rename_thing', { name: 'web-1' }));
    expect(answer).toMatchObject({ thing: { name: 'web-1' }, normalised: { name: 'hostname' } });
  });

  it('turns a refused command into the answer', async () => {
    const { call } = setup(() => ({
      kind: 'refused',
      refusal: refusal(409, 'name_taken', 'taken', { field: 'hostname' }),
    }));
    expect(refused(await call('system_rename_thing', { hostname: 'x' }))).toMatchObject({
      code: 'name_taken',
      status: 409,
    });
  });

  it('answers 503 while the store is away, and hides what a bug says', async () => {
    const away = setup(() => {
      throw new EventStoreUnavailableError('connection refused');
    });
    expect(refused(await away.call('system_rename_thing', { hostname: 'x' }))).toMatchObject({ status: 503 });
    const broken = setup(() => {
      throw new Error('secret inside');
    });
    const answer = await broken.call('system_rename_thing', { hostname: 'x' });
    expect(answer.kind).toBe('failed');
    expect(JSON.stringify(answer)).not.toContain('secret');
  });
});

describe('bad input is refused', () => {
  const cases: [string, unknown, object][] = [
    [
      'an unknown parameter, with the nearest name',
      { hostnam: 'x' },
      { code: 'unknown_parameter', field: 'hostnam', hint: 'did you mean hostname?' },
    ],
    [
      'a slip in a nested object',
      { hostname: 'x', assignments: [{ modul: 'k3s' }] },
      { code: 'unknown_parameter', field: 'assignments[0].modul', hint: 'did you mean module?' },
    ],
    ['a missing parameter', {}, { code: 'missing_parameter', field: 'hostname' }],
    [
      'a wrong type',
      { hostname: 5 },
      { code: 'invalid_parameter', field: 'hostname', message: 'hostname: must be string, not number' },
    ],
    [
      'a value outside the choices, with the nearest',
      { hostname: 'x', mode: 'hubb' },
      {
        code: 'invalid_parameter',
        field: 'mode',
        hint: 'did you mean hub?',
        candidates: [{ id: 'mesh' }, { id: 'hub' }],
      },
    ],
    ['two spellings that differ', { hostname: 'x', name: 'y' }, { code: 'ambiguous_parameter', field: 'name' }],
    ['arguments that are no object', [1], { code: 'invalid_arguments' }],
  ];
  it.each(cases)('%s', async (_, args, expected) => {
    const { call, sent } = setup();
    expect(refused(await call('system_rename_thing', args))).toMatchObject({ status: 400, ...expected });
    expect(sent).toHaveLength(0);
  });

  it('leaves free-form objects free', async () => {
    const { call } = setup();
    const answer = await call('system_rename_thing', {
      hostname: 'x',
      assignments: [{ module: 'k3s', config: { any: 1 } }],
    });
    expect(answer.kind).toBe('ok');
  });

  it('an unknown tool, with the nearest', async () => {
    const { call } = setup();
    expect(refused(await call('system_list_thing', {}))).toMatchObject({
      status: 404,
      code: 'unknown_tool',
      hint: 'did you mean system_list_things?',
    });
  });

  it('names the permission that is missing, and lists only what may be called', async () => {
    const { call, registry } = setup();
    const reader = principal(['system.nodes.read']);
    expect(refused(await call('system_rename_thing', { hostname: 'x' }, reader))).toMatchObject({
      status: 403,
      message: expect.stringContaining('system.nodes.write'),
    });
    expect(registry.list(reader.permissions).map((t) => t.name)).toEqual(['system_list_things']);
  });
});

describe('an idempotency key', () => {
  const again = { hostname: 'web-1', idempotency_key: 'k1' };

  it('gives the same command ids and the same answer', async () => {
    const { call, sent } = setup();
    const first = data(await call('system_rename_thing', again));
    const second = data(await call('system_rename_thing', { ...again }));
    expect(second).toEqual(first);
    expect(sent[0]!.context.commandId).toBe(sent[1]!.context.commandId);
  });

  it('is refused with other arguments', async () => {
    const { call, sent } = setup();
    await call('system_rename_thing', again);
    const answer = await call('system_rename_thing', { ...again, hostname: 'web-2' });
    expect(refused(answer)).toMatchObject({ status: 409, code: 'idempotency_key_reused' });
    expect(sent).toHaveLength(1);
  });

  it('belongs to one account', async () => {
    const { call, sent } = setup();
    await call('system_rename_thing', again);
    await call('system_rename_thing', { ...again, hostname: 'other' }, principal(['*'], 'b'));
    expect(sent[0]!.context.commandId).not.toBe(sent[1]!.context.commandId);
  });

  it('is a different call without a key each time', async () => {
    const { call, sent } = setup();
    await call('system_rename_thing', { hostname: 'x' });
    await call('system_rename_thing', { hostname: 'x' });
    expect(sent[0]!.context.commandId).not.toBe(sent[1]!.context.commandId);
  });
});

describe('the listing', () => {
  it('shows what callers may send, and that nothing else is taken', () => {
    const [first, second] = setup().registry.list(new Set(['*']));
    expect(first!.input_schema).toMatchObject({ type: 'object', additionalProperties: false });
    expect(first!.input_schema.required ?? []).toEqual([]);
    expect(second!.input_schema.properties).toHaveProperty('idempotency_key');
    expect(second!.output_schema.properties).toHaveProperty('correlation_id');
  });
});

describe('a plan', () => {
  const guarded = { ...principal(), guarded: true };

  it('is good for one call of a guarded token, and for repeats of that one', async () => {
    const { call, sent } = setup();
    const restart = (more: object) => call('system_restart_thing', { id: 'a', ...more }, guarded);
    const { plan_id } = data(await restart({ dry_run: true }))['dry_run'] as { plan_id: string };
    expect(data(await restart({ plan_id, idempotency_key: 'k' }))['outcome']).toBe('done');
    expect(data(await restart({ plan_id, idempotency_key: 'k' }))['outcome']).toBe('done');
    expect(new Set(sent.map(({ context }) => context.commandId)).size).toBe(1);
    expect(refused(await restart({ plan_id })).code).toBe('plan_used');
    expect(refused(await restart({ plan_id, idempotency_key: 'other' })).code).toBe('plan_used');
    expect(sent).toHaveLength(2);
  });
});

it('refuses arguments that hide in a prototype, also by way of a REST body', async () => {
  const { call, sent } = setup();
  const body = JSON.parse('{"__proto__": {"hostname": "web-1"}}') as object;
  const listing = { danger: 'change', input_schema: { type: 'object' } } as const;
  const through = restArguments(listing, { path: {}, query: {}, body, idempotencyKey: 'k' });
  for (const given of [body, through])
    expect(refused(await call('system_rename_thing', given))).toMatchObject({
      code: 'unknown_parameter',
      field: '__proto__',
    });
  expect(sent).toEqual([]);
});

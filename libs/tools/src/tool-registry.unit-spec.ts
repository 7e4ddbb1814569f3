import { refusal } from '#kernel';
import { EventStoreUnavailableError } from '#event-store';
import { restArguments } from './rest/arguments.js';
import { data, principal, refused, setup } from './testing/three-tools.js';

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

describe('the listing', () => {
  it('shows what callers may send, and that nothing else is taken', () => {
    const [first, second] = setup().registry.list(new Set(['*']));
    expect(first!.input_schema).toMatchObject({ type: 'object', additionalProperties: false });
    expect(first!.input_schema.required ?? []).toEqual([]);
    expect(second!.input_schema.properties).toHaveProperty('idempotency_key');
    expect(second!.output_schema.properties).toHaveProperty('correlation_id');
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

import { z } from 'zod';
import { defineEvent } from '#kernel';
import { ToolRegistry } from '#tools';
import { platformEvents } from '../../apps/platform/src/events.js';
import { startTestPlatform } from '../../apps/platform/src/testing/test-platform.js';
import { storedSchema, type JsonSchema } from '../evolution/support/json-schema.js';
import { EVENT_FIELDS, TOOL_ARGUMENTS } from './allowed-fields.js';
import { judge, suspicions } from './support/schema-lint.js';

describe('the schemas of events', () => {
  it('bear no secret: every field that could is excepted with a reason, and no exception is left over', () => {
    const found = platformEvents.flatMap((definition) => suspicions(definition.type, storedSchema(definition)));
    expect(judge(found, EVENT_FIELDS)).toEqual({ refused: [], stale: [] });
  });

  const planted = (shape: z.ZodRawShape, object = z.object(shape)) => {
    const definition = defineEvent('system.x.happened', 1, object);
    return judge(suspicions(definition.type, storedSchema(definition as never)), EVENT_FIELDS).refused;
  };

  it.each<[string, z.ZodRawShape, string]>([
    ['a token', { join_token: z.string() }, 'join_token: its name says token'],
    ['a kubeconfig', { kubeconfig: z.string() }, 'kubeconfig: its name says kubeconfig'],
    ['an optional password', { password: z.string().optional() }, 'password: its name says password'],
    ['a nullable private key', { privateKey: z.string().nullable() }, 'privateKey: its name says key'],
    ['a secret within', { a: z.object({ client_secret: z.string() }) }, 'a.client_secret: its name says secret'],
    ['one in a list', { users: z.array(z.object({ bearer: z.string() })) }, 'users[].bearer: its name says bearer'],
    [
      'one in a choice',
      { a: z.union([z.number(), z.object({ cookie: z.string() })]) },
      'a.cookie: its name says cookie',
    ],
    ['credentials of any form', { credentials: z.unknown() }, 'credentials: its name says credential'],
    ['a value of any form', { details: z.unknown() }, 'details: its form is open'],
    ['a record', { labels: z.record(z.string(), z.string()) }, 'labels: its form is open'],
    ['an object that lets more in', { extra: z.looseObject({ a: z.string() }) }, 'extra: its form is open'],
  ])('are refused with %s', (_, shape, complaint) => {
    expect(planted(shape)).toContainEqual(`system.x.happened ${complaint}`);
  });

  it('are refused when the event itself lets anything in', () => {
    expect(planted({}, z.looseObject({}))).toEqual(['system.x.happened : its form is open']);
  });

  it('pass with numbers, flags, words that are known, and digests that are excepted', () => {
    expect(
      planted({ token_count: z.number(), has_secret: z.boolean(), auth: z.enum(['mtls']), token_digest: z.string() }),
    ).toEqual([]);
  });

  it('have exceptions that give a reason', () => {
    for (const { field, reason } of [...EVENT_FIELDS, ...TOOL_ARGUMENTS])
      expect(`${field}: ${reason}`.length - field.length).toBeGreaterThan(15);
  });
});

describe('the arguments of tools', () => {
  it('bear no secret that could end in an event or a log', async () => {
    const platform = await startTestPlatform({ DROVER_EVENT_STORE: 'memory' });
    try {
      const tools = platform.platform.app.get(ToolRegistry).list(new Set(['*']));
      expect(tools.length).toBeGreaterThan(40);
      const found = tools.flatMap(({ name, input_schema: input }) => suspicions(name, input as JsonSchema));
      expect(judge(found, TOOL_ARGUMENTS)).toEqual({ refused: [], stale: [] });
    } finally {
      await platform.stop();
    }
  });
});

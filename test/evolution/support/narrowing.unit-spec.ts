import { z } from 'zod';
import { defineEvent } from '#kernel';
import { storedSchema } from './json-schema.js';
import { narrowings } from './narrowing.js';

const base = {
  id: z.string(),
  note: z.string().optional(),
  state: z.enum(['up', 'down']),
  at: z.object({ host: z.string(), port: z.number().int() }).nullable(),
  tags: z.array(z.string()),
  sizes: z.record(z.string(), z.number()),
  ports: z.tuple([z.number(), z.number()]),
};
const schemaOf = (shape: z.ZodRawShape) => storedSchema(defineEvent('system.test.happened', 1, z.object(shape)));
const after = (change: z.ZodRawShape) => narrowings(schemaOf(base), schemaOf({ ...base, ...change }));

it('sees nothing in a schema that stayed as it was', () => expect(after({})).toEqual([]));

it.each<[string, z.ZodRawShape]>([
  ['a new optional field', { more: z.string().optional() }],
  ['a further value of an enumeration', { state: z.enum(['up', 'down', 'lost']) }],
  ['any string instead of an enumeration', { state: z.string() }],
  ['null in addition', { id: z.string().nullable() }],
  ['any number instead of whole ones', { at: z.object({ host: z.string(), port: z.number() }).nullable() }],
  ['anything at all', { tags: z.unknown() }],
])('lets %s pass', (_, change) => expect(after(change)).toEqual([]));

it.each<[string, z.ZodRawShape, string]>([
  ['a new required field', { more: z.string() }, 'data.more is required now'],
  ['a default, which older events lack', { more: z.string().default('x') }, 'data.more is required now'],
  ['an optional field made required', { note: z.string() }, 'data.note is required now'],
  ['another type', { id: z.number() }, 'data.id was string and is number'],
  ['a pattern', { id: z.string().regex(/^a/) }, 'data.id must now be of pattern ^a'],
  ['a format', { id: z.uuid() }, 'data.id must now be of'],
  ['fewer values', { state: z.enum(['up']) }, 'data.state no longer takes "down"'],
  ['null refused', { at: z.object({ host: z.string(), port: z.number().int() }) }, 'data.at was null'],
  ['a bound', { tags: z.array(z.string()).max(3) }, 'data.tags: maxItems has sunk'],
  ['other items', { tags: z.array(z.number()) }, 'data.tags[] was string and is number'],
  ['other values in a record', { sizes: z.record(z.string(), z.string()) }, 'data.sizes.* was number and is string'],
  ['a record that became fixed', { sizes: z.object({}) }, 'data.sizes no longer takes further keys'],
  ['a longer tuple', { ports: z.tuple([z.number(), z.number(), z.number()]) }, 'data.ports was a tuple of 2'],
  ['another tuple', { ports: z.tuple([z.number(), z.string()]) }, 'data.ports[1] was number and is string'],
  ['a field gone inside', { at: z.object({ host: z.string() }).nullable() }, 'data.at.port is gone'],
])('refuses %s', (_, change, reason) => expect(after(change).join('; ')).toContain(reason));

it('refuses a field that is gone', () => {
  const { id, state, at, tags, sizes, ports } = base;
  expect(narrowings(schemaOf(base), schemaOf({ id, state, at, tags, sizes, ports }))).toEqual(['data.note is gone']);
});

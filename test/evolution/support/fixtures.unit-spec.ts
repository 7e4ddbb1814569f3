import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { defineEvent, type EventDefinition } from '#kernel';
import { freeze, problemsOf, readFrozen } from './fixtures.js';

const TYPE = 'system.test.happened';
const v1 = { id: z.string(), state: z.enum(['up', 'down']), note: z.string().optional() };
const define = (shape: z.ZodRawShape, version = 1, upcasters = {}): EventDefinition =>
  defineEvent(TYPE, version, z.object(shape), { upcasters }) as unknown as EventDefinition;
const first = define(v1);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-fixtures-'));
  freeze([first], folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const contents = () => Object.fromEntries(readdirSync(folder).map((f) => [f, readFileSync(join(folder, f), 'utf8')]));
const problems = (...definitions: EventDefinition[]) => problemsOf(definitions, readFrozen(folder));

it('holds an event with everything, one with what must be there, and each further choice', () => {
  const [file] = readFrozen(folder);
  expect(file!.lines.map((line) => (JSON.parse(line) as { data: object }).data)).toEqual([
    { id: 'sample', note: 'sample', state: 'up' },
    { id: 'sample', state: 'up' },
    { id: 'sample', note: 'sample', state: 'down' },
  ]);
});

it('changes nothing when it is asked again', () => {
  const before = contents();
  expect(freeze([first], folder)).toEqual([]);
  expect(contents()).toEqual(before);
  expect(problems(first)).toEqual([]);
});

it('names the command when a type or a version has no fixture', () => {
  const other = defineEvent('system.test.other', 1, z.object({})) as unknown as EventDefinition;
  expect(problems(first, other)).toEqual(['system.test.other version 1 has no fixture: run npm run freeze:events']);
  const second = define({ ...v1, by: z.string() }, 2, { 1: (data: object) => ({ ...data, by: 'unknown' }) });
  expect(problems(second)).toEqual([`${TYPE} version 2 has no fixture: run npm run freeze:events`]);
});

it('keeps the old version beside the new one', () => {
  const before = contents();
  const second = define({ ...v1, by: z.string() }, 2, { 1: (data: object) => ({ ...data, by: 'unknown' }) });
  expect(freeze([second], folder)).toEqual([`${TYPE}.v2.jsonl`]);
  expect(contents()).toMatchObject(before);
  expect(problems(second)).toEqual([]);
});

it('takes a widened schema in the same version as a further revision, once', () => {
  const wider = define({ ...v1, more: z.string().optional() });
  expect(problems(wider)).toEqual([`${TYPE} version 1 was widened and is not frozen so: run npm run freeze:events`]);
  expect(freeze([wider], folder)).toEqual([`${TYPE}.v1.r2.jsonl`]);
  expect(freeze([wider], folder)).toEqual([]);
  expect(problems(wider)).toEqual([]);
  expect(problems(first)).toEqual([expect.stringContaining('data.more is gone')]);
});

it.each<[string, EventDefinition, string]>([
  ['a field that is gone', define({ id: v1.id, state: v1.state }), 'data.note is gone'],
  ['a field that must be there now', define({ ...v1, by: z.string() }), 'data.by is required now'],
  ['a value that is gone', define({ ...v1, state: z.enum(['up']) }), 'data.state no longer takes "down"'],
])('refuses %s, and says what to do instead', (_, changed, reason) => {
  const expected = `${TYPE} has changed: ${reason}`;
  expect(problems(changed)).toEqual([expect.stringContaining(expected)]);
  expect(problems(changed)[0]).toContain('Make it version 2 with an upcaster from 1');
  expect(() => freeze([changed], folder)).toThrow(expected);
});

it('refuses that a type or a newer version disappears', () => {
  expect(problems()).toEqual([
    `${TYPE} is in logs already, but no definition reads it any more: bring the definition back`,
  ]);
  freeze([define(v1, 2, { 1: (data: object) => data })], folder);
  expect(problems(first)).toEqual([`${TYPE} is at version 1, but version 2 is in logs already`]);
});

import { readTime } from './time-argument.js';

const NOW = Date.parse('2026-11-21T08:00:00.000Z');
const ms = (text: string) => {
  const read = readTime(text, NOW);
  return read.kind === 'time' ? new Date(read.ms).toISOString() : read.refusal.code;
};
const hint = (text: string) => {
  const read = readTime(text, NOW);
  return read.kind === 'refused' ? [read.refusal.field, read.refusal.code, read.refusal.hint] : undefined;
};

it.each([
  ['2026-11-20T10:00:00Z', '2026-11-20T10:00:00.000Z'],
  ['2026-11-20T10:00Z', '2026-11-20T10:00:00.000Z'],
  ['2026-11-20T10:00:00.1239Z', '2026-11-20T10:00:00.123Z'],
  ['2026-11-20 10:00:00.5+01:30', '2026-11-20T08:30:00.500Z'],
  ['2026-11-20T00:10:00-0200', '2026-11-20T02:10:00.000Z'],
  [' 2024-02-29T23:59:59+00 ', '2024-02-29T23:59:59.000Z'],
  ['1969-12-31T23:59:59Z', '1969-12-31T23:59:59.000Z'],
])('%s is %s', (text, expected) => expect(ms(text)).toBe(expected));

it.each([
  ['2026-11-20T10:00:00', 'time_without_zone', 'did you mean 2026-11-20T10:00:00.000Z?'],
  ['2026-11-20', 'time_without_zone', 'did you mean 2026-11-20T00:00:00.000Z?'],
  ['2026-02-30T10:00:00Z', 'invalid_time', '2026-02-28T00:00:00.000Z'],
  ['2026-13-01T10:00:00Z', 'invalid_time', '2026-11-21T08:00:00.000Z'],
  ['2026-11-20T25:00:00Z', 'invalid_time', '2026-11-30T00:00:00.000Z'],
  ['yesterday', 'invalid_time', '2026-11-21T08:00:00.000Z'],
  ['1763712000', 'invalid_time', '2026-11-21T08:00:00.000Z'],
  ['', 'invalid_time', '2026-11-21T08:00:00.000Z'],
  ['2026-11-21T08:00:05Z', 'time_in_future', '2026-11-21T08:00:00.000Z'],
])('%j is refused as %s with %s', (text, code, near) => expect(hint(text)).toEqual(['time', code, near]));

it('forgives a clock that runs a little ahead', () =>
  expect(ms('2026-11-21T08:00:01Z')).toBe('2026-11-21T08:00:01.000Z'));

import { malformedText } from './input-text.js';

it('finds text that no store takes, wherever it is, and says where', () => {
  expect(malformedText({ name: 'a\0b' })).toMatchObject({ status: 400, code: 'invalid_parameter', field: 'name' });
  expect(malformedText({ tags: ['a', '\ud800'] })?.field).toBe('tags[1]');
  expect(malformedText({ config: { labels: { ['\udc00x']: 'y' } } })?.field).toBe('config.labels.\ufffdx');
  expect(malformedText({ ['k'.repeat(100_000)]: '\0' })!.message.length).toBeLessThan(200);
});

it('takes all other text, in any script, and what is not nested without an end', () => {
  expect(malformedText({ name: 'Ünï⏱🚀\n\t', list: [1, null, true, { a: 'b' }] })).toBeUndefined();
  const deep = (levels: number): unknown => (levels === 0 ? 'x' : [deep(levels - 1)]);
  expect(malformedText({ a: deep(60) })).toBeUndefined();
  expect(malformedText({ a: deep(70) })?.message).toContain('64 deep');
});

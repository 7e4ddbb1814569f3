import { Heard } from './heard.js';

it('hears words at the beginning of a chunk that is longer than what is remembered', () => {
  const heard = new Heard('ready in ');
  heard.hear('drover is starting\n');
  expect(heard.isSaid).toBe(false);
  heard.hear(`ready in 2 s\n${'{"level":"info"}\n'.repeat(4_000)}the end`);
  expect(heard.isSaid).toBe(true);
  expect(heard.end).toHaveLength(4_000);
  expect(heard.end.endsWith('the end')).toBe(true);
});

it('hears words of which each of two chunks has a half, and does not forget them', () => {
  const heard = new Heard('ready in ');
  heard.hear(`${'.'.repeat(5_000)}read`);
  heard.hear('y in 2 s');
  heard.hear('.'.repeat(5_000));
  expect(heard.isSaid).toBe(true);
  expect(new Heard('ready in ', true).isSaid).toBe(true);
});

import { NetworkGenerations } from './network-generations.js';

const [A, B] = ['sdwan_network-a', 'sdwan_network-b'];

const at = (position: number) => BigInt(position);

it('counts the changes of each network on its own, without a gap, wherever they stand in the log', () => {
  const generations = new NetworkGenerations();
  for (const position of [10, 500, 501]) generations.changed(A, at(position));
  for (let position = 11; position < 400; position++) generations.changed(B, at(position));
  expect([9, 10, 499, 500, 501, 9_000].map((position) => generations.at(A, at(position)))).toEqual([0, 1, 1, 2, 3, 3]);
  expect(generations.at(B, at(399))).toBe(389);
  expect(generations.at('sdwan_network-c', at(1))).toBe(0);
});

it('goes on counting when the places of old changes are forgotten, and in a copy that goes its own way', () => {
  const generations = new NetworkGenerations();
  for (let n = 1; n <= 10_000; n++) generations.changed(A, at(n * 7));
  expect(generations.at(A, at(70_000))).toBe(10_000);
  expect(generations.at(A, at(9_990 * 7 + 3))).toBe(9_990);
  const fork = new NetworkGenerations();
  fork.adopt(generations);
  fork.changed(A, at(70_001));
  expect([fork.at(A, at(80_000)), generations.at(A, at(80_000))]).toEqual([10_001, 10_000]);
  generations.forget(A);
  expect(generations.at(A, at(80_000))).toBe(0);
});

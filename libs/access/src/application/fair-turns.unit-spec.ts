import { FairTurns } from './fair-turns.js';

/** Turns that end when the test says so. */
const setUp = (atOnce: number, maxWaiting = 1_000) => {
  const turns = new FairTurns(atOnce, maxWaiting);
  const begun: string[] = [];
  const refused: string[] = [];
  const ends: (() => void)[] = [];
  const ask = (address: string, connection: string) =>
    void turns
      .run({ address, connection }, () => {
        begun.push(`${address} ${connection}`);
        return new Promise<void>((resolve) => ends.push(resolve));
      })
      .catch((error: { refusal: { code: string } }) => refused.push(`${error.refusal.code} ${address} ${connection}`));
  const endOne = async () => {
    ends.shift()!();
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { ask, begun, refused, endOne };
};

it('lets so many work at once, and the next when one has ended', async () => {
  const { ask, begun, endOne } = setUp(2);
  for (let i = 0; i < 4; i++) ask('a', String(i));
  await Promise.resolve();
  expect(begun).toHaveLength(2);
  await endOne();
  expect(begun).toHaveLength(3);
  await endOne();
  await endOne();
  expect(begun).toHaveLength(4);
});

it('makes who asks for much wait behind themselves: another address is next, and another connection of the same one', async () => {
  const { ask, begun, endOne } = setUp(1);
  for (let i = 0; i < 500; i++) ask('10.0.0.9', 'flood');
  ask('10.0.0.9', 'neighbour');
  ask('10.0.0.8', 'elsewhere');
  for (let i = 0; i < 4; i++) await endOne();
  expect(begun.slice(0, 4).sort()).toEqual([
    '10.0.0.8 elsewhere',
    '10.0.0.9 flood',
    '10.0.0.9 flood',
    '10.0.0.9 neighbour',
  ]);
});

it('sends away the newest of who has most waiting, and nobody else', async () => {
  const { ask, begun, refused, endOne } = setUp(1, 10);
  for (let i = 0; i < 11; i++) ask('10.0.0.9', 'flood');
  ask('10.0.0.9', 'neighbour');
  ask('2001:db8::1', 'elsewhere');
  for (let i = 0; i < 3; i++) await endOne();
  expect(refused).toEqual(Array(2).fill('too_many_attempts 10.0.0.9 flood'));
  expect(begun).toEqual(expect.arrayContaining(['10.0.0.9 neighbour', '2001:db8::1 elsewhere']));
});

it('passes the turn on when the work fails', async () => {
  const turns = new FairTurns(1, 10);
  const sender = { address: 'a', connection: 'c' };
  const failing = turns.run(sender, () => Promise.reject(new Error('no')));
  const second = turns.run(sender, async () => 'done');
  await expect(failing).rejects.toThrow('no');
  expect(await second).toBe('done');
  expect(await turns.run(sender, async () => 'again')).toBe('again');
});

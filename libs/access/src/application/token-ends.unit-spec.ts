import { ManualClock } from '#kernel';
import type { Principal } from '../ports.js';
import { TokenEnds } from './token-ends.js';

const setUp = () => {
  const clock = new ManualClock();
  const gone = new Set<string>();
  let changed: (operatorId: string) => void = () => undefined;
  const tokens = {
    opens: (_: string, tokenId: string) => !gone.has(tokenId),
    onChange: (listener: typeof changed) => {
      changed = listener;
      return () => undefined;
    },
  };
  const ends = new TokenEnds(tokens, clock, clock);
  const end = (tokenId: string, of: string) => {
    gone.add(tokenId);
    changed(of);
  };
  return { clock, ends, end };
};
const who = (tokenId: string | undefined, operatorId = 'maria', expiresAtMs?: number) =>
  ({ operatorId, tokenId, expiresAtMs }) as unknown as Principal;

it('ends the waiting of calls with a token that ended, and of no others', () => {
  const { ends, end } = setUp();
  const [mine, again, other, theirs] = [who('a'), who('a'), who('b'), who('a', 'otto')].map((p) => ends.watch(p)!);
  again!.stop();
  end('a', 'maria');
  expect([mine, again, other, theirs].map((one) => one!.signal.aborted)).toEqual([true, false, false, false]);
  expect(ends.watch(who('a'))!.signal.aborted).toBe(true);
  expect(ends.watch(who(undefined))).toBeUndefined();
});

it('ends it when the token expires meanwhile, and keeps nothing of who has stopped', async () => {
  const { ends, clock } = setUp();
  const [short, stopped] = [5_000, 5_000].map((ms) => ends.watch(who('a', 'maria', clock.wallMs() + ms))!);
  stopped!.stop();
  await clock.advance(4_999);
  expect(short!.signal.aborted).toBe(false);
  await clock.advance(1);
  expect([short!.signal.aborted, stopped!.signal.aborted]).toEqual([true, false]);
  short!.stop();
  expect((Reflect.get(ends, 'waiting') as Map<string, unknown>).size).toBe(0);
});

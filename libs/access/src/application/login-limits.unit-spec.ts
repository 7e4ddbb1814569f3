import { deterministicId, ManualClock, seededRandom } from '#kernel';
import { mintOperatorToken } from '../tokens/operator-token.js';
import { Admission } from './admission.js';
import { FairTurns } from './fair-turns.js';
import { LoginLimits } from './login-limits.js';

const random = seededRandom(7);
const owner = mintOperatorToken(deterministicId('operator', 'owner'), random).token;
/** The public half is the owner's, the secret is not. */
const guess = () => owner.slice(0, -43) + Buffer.from(random.bytes(32)).toString('base64url');
const stranger = () => mintOperatorToken(deterministicId('operator', String(random.bytes(4))), random).token;

const setUp = (perToken = 5) => {
  const clock = new ManualClock();
  return { clock, limits: new LoginLimits(clock, perToken) };
};

const codeOf = (refused: { readonly refusal: { readonly code: string } } | undefined) => refused?.refusal.code;

describe('who guesses', () => {
  it('is told to wait after some failures, until a minute is over', () => {
    const { clock, limits } = setUp();
    for (let i = 0; i < 5; i++) expect(limits.failed('10.0.0.9', guess())).toBeUndefined();
    expect(limits.failed('10.0.0.9', guess())).toMatchObject({
      refusal: { status: 429, code: 'too_many_attempts' },
      retryAfterS: 60,
    });
    clock.advance(59_999);
    expect(limits.failed('10.0.0.9', guess())).toMatchObject({ retryAfterS: 1 });
    clock.advance(1);
    expect(limits.failed('10.0.0.9', guess())).toBeUndefined();
  });

  it('is counted for that id at that address only', () => {
    const { limits } = setUp();
    for (let i = 0; i < 6; i++) limits.failed('10.0.0.9', guess());
    expect(codeOf(limits.failed('10.0.0.9', stranger()))).toBeUndefined();
    expect(codeOf(limits.failed('10.0.0.8', guess()))).toBeUndefined();
    expect(codeOf(limits.failed('10.0.0.9', guess()))).toBe('too_many_attempts');
  });

  it('with another id each time makes the address noisy, one /64 being one address', () => {
    const { limits } = setUp();
    let waits = 0;
    for (let i = 0; i < 60; i++)
      if (limits.failed(`2001:db8:0:1::${i.toString(16)}`, stranger()) !== undefined) waits++;
    expect(waits).toBe(10);
    expect(limits.isNoisy('2001:db8:0:1::ffff')).toBe(true);
    expect(limits.isNoisy('2001:db8:0:2::1')).toBe(false);
    expect(limits.failed('2001:db8:0:2::1', stranger())).toBeUndefined();
  });

  it('is forgotten one by one, so that a flood of ids takes no memory', () => {
    const { limits } = setUp(1);
    for (let i = 0; i < 30_000; i++) limits.failed(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, owner);
    expect(Reflect.get(limits, 'counts').size).toBeLessThanOrEqual(20_000);
  });
});

describe('the owner of a right token', () => {
  it('gets in from wherever, however often others guess at it from there', async () => {
    const { limits } = setUp();
    const principal = { operatorId: 'o', accountId: 'a', name: 'n', permissions: new Set<string>() };
    const operators = { authenticate: async (token: string) => (token === owner ? principal : undefined) };
    const door = new Admission(operators, limits, new FairTurns(1, 100));
    const sender = (connection: number) => ({ address: '10.0.0.9', connection: String(connection) });
    for (let i = 0; i < 1_000; i++) await door.admit(sender(i), guess());
    expect(await door.admit(sender(1), guess())).toMatchObject({ kind: 'out', wait: { retryAfterS: 60 } });
    expect(await door.admit(sender(1), owner)).toEqual({ kind: 'in', principal });
  });
});

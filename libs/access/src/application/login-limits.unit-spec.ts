import { deterministicId, ManualClock, seededRandom } from '#kernel';
import { mintOperatorToken } from '../tokens/operator-token.js';
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

describe('who guesses', () => {
  it('is not heard after some failures, until a minute is over', () => {
    const { clock, limits } = setUp();
    for (let i = 0; i < 5; i++) {
      expect(limits.before('10.0.0.9', guess())).toBeUndefined();
      limits.failed('10.0.0.9', guess());
    }
    expect(limits.before('10.0.0.9', guess())).toMatchObject({ status: 429, code: 'too_many_attempts' });
    expect(limits.retryAfter('10.0.0.9', owner)).toBe(60);
    clock.advance(59_999);
    expect(limits.before('10.0.0.9', guess())).toBeDefined();
    clock.advance(1);
    expect(limits.before('10.0.0.9', guess())).toBeUndefined();
  });

  it('locks nobody out: not the owner elsewhere, nor others at the same address, nor the owner who was in already', () => {
    const { limits } = setUp();
    limits.succeeded(owner);
    for (let i = 0; i < 1_000; i++) limits.failed('10.0.0.9', guess());
    expect(limits.before('10.0.0.9', guess())).toBeDefined();
    expect(limits.before('10.0.0.8', owner)).toBeUndefined();
    expect(limits.before('10.0.0.9', owner)).toBeUndefined();
    expect(limits.before('10.0.0.9', stranger())).toBeUndefined();
  });

  it('with another id each time is told to wait by address, one /64 being one address', () => {
    const { limits } = setUp();
    let waits = 0;
    for (let i = 0; i < 60; i++)
      if (limits.failed(`2001:db8:0:1::${i.toString(16)}`, stranger()) !== undefined) waits++;
    expect(waits).toBe(11);
    expect(limits.failed('2001:db8:0:2::1', stranger())).toBeUndefined();
  });

  it('is forgotten one by one, so that a flood of ids takes no memory', () => {
    const { limits } = setUp(1);
    for (let i = 0; i < 30_000; i++) limits.failed(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, owner);
    expect(Reflect.get(limits, 'counts').size).toBeLessThanOrEqual(20_000);
  });

  it('revoked, loses the pass of a token that was good', () => {
    const { limits } = setUp(1);
    limits.succeeded(owner);
    limits.failed('10.0.0.9', owner);
    expect(limits.before('10.0.0.9', owner)).toBeDefined();
  });
});

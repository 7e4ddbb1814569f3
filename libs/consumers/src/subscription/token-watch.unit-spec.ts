import { ManualClock, silentLog, type Refusal } from '#kernel';
import type { Principal } from '#access';
import { TokenWatch, type TokenAuthority } from './token-watch.js';

const rig = () => {
  const clock = new ManualClock();
  const tokens = new Map<string, Principal>();
  const listeners = new Set<(operatorId: string) => void>();
  let asked = 0;
  const authority: TokenAuthority = {
    authenticate: async (token) => {
      asked++;
      const principal = tokens.get(token);
      return principal !== undefined && (principal.expiresAtMs ?? Infinity) > clock.wallMs() ? principal : undefined;
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const watch = new TokenWatch({ authority, clock, timers: clock, log: silentLog });
  const grant = (token: string, more: Partial<Principal> = {}): Principal => {
    const principal = { operatorId: 'o', accountId: 'a', name: 'n', permissions: new Set(['read']), ...more };
    tokens.set(token, principal);
    return principal;
  };
  return { clock, tokens, listeners, watch, grant, asked: () => asked };
};

describe('tokens behind open streams', () => {
  it('cut every stream of theirs when the operator changed and they are gone, at one check', async () => {
    const { clock, tokens, listeners, watch, grant, asked } = rig();
    const cuts: Refusal[] = [];
    const principal = grant('t');
    for (let i = 0; i < 100; i++) watch.watch('t', principal, ['read'], (reason) => cuts.push(reason));
    await clock.advance(0);
    const before = asked();
    tokens.delete('t');
    for (const changed of listeners) changed('another operator');
    await clock.advance(0);
    expect(cuts).toEqual([]);
    for (const changed of listeners) changed('o');
    await clock.advance(0);
    expect(cuts).toHaveLength(100);
    expect(cuts[0]).toMatchObject({ status: 401, code: 'invalid_token' });
    expect(asked() - before).toBe(1);
  });

  it('cut when they expire, to the millisecond, and when they lose the permission', async () => {
    const { clock, watch, grant } = rig();
    const cuts: string[] = [];
    const expiring = grant('e', { expiresAtMs: clock.wallMs() + 90_000 });
    watch.watch('e', expiring, ['read'], ({ message }) => cuts.push(message));
    await clock.advance(89_999);
    expect(cuts).toEqual([]);
    await clock.advance(1);
    expect(cuts).toEqual(['the token has expired or was revoked']);
    watch.watch('p', grant('p'), ['read', 'more'], ({ message }) => cuts.push(message));
    await clock.advance(0);
    expect(cuts[1]).toBe('the token no longer has the permission');
  });

  it('are looked at no more when nobody uses them', async () => {
    const { clock, watch, grant, asked } = rig();
    const leave = watch.watch('t', grant('t'), ['read'], () => undefined);
    await clock.advance(0);
    leave();
    const before = asked();
    await clock.advance(600_000);
    expect(asked()).toBe(before);
  });
});

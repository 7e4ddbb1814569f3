import fc from 'fast-check';
import { canonicalJson, isoTime, sha256Hex } from '#kernel';
import { operatorDecider, type OperatorCommand, type OperatorState } from './operator.js';

const DAY = 86_400_000;
const START = Date.parse('2026-01-01T00:00:00Z');
const operatorId = 'operator-00000000-0000-4000-8000-000000000001';
const identity = { operatorId, accountId: 'account-00000000-0000-4000-8000-000000000001' } as const;

type Act = 'log_in' | 'issue' | 'revoke' | 'rotate' | 'disable' | 'enable' | 'end';
const ACTS: readonly Act[] = ['log_in', 'log_in', 'log_in', 'issue', 'revoke', 'rotate', 'disable', 'enable', 'end'];

const commandOf = (act: Act, n: number, nowMs: number, { tokens }: OperatorState): OperatorCommand => {
  const token = {
    ...{
      token_id: `t${n}`,
      token_digest: sha256Hex(`${n}`),
      permissions: [n % 5 === 0 ? 'role:viewer' : 'role:admin'],
    },
    ...{
      expires_at: n % 7 === 0 ? null : isoTime(nowMs + DAY),
      guarded: n % 3 === 0,
      label: `l${n}`,
      at: isoTime(nowMs),
    },
  };
  const tokenId = tokens[n % Math.max(1, tokens.length)]?.tokenId ?? 'none';
  if (act === 'log_in')
    return { type: act, ...identity, name: 'm', role: 'admin', issuer: 'i', address: null, token, nowMs };
  if (act === 'issue') return { type: 'create_token', token };
  if (act === 'revoke') return { type: 'revoke_token', tokenId };
  if (act === 'rotate') return { type: 'rotate_token', tokenId, token };
  if (act === 'end') return { type: 'end_logins', nowMs };
  return act === 'disable' ? { type: act, reason: 'r' } : { type: act };
};

/** Whoever keeps a state gets the same from it as from the events. */
const step = (state: OperatorState, act: Act, n: number, nowMs: number): OperatorState => {
  const decision = operatorDecider.decide(commandOf(act, n, nowMs, state), state);
  return decision.kind === 'accept' ? decision.events.reduce(operatorDecider.evolve, state) : state;
};
const asKept = (state: OperatorState) => operatorDecider.kept!.revive(JSON.parse(JSON.stringify(state)));

it('is the same after JSON, at whatever moment, and so is all that follows from it', () => {
  const acts = fc.array(fc.tuple(fc.constantFrom(...ACTS), fc.nat(2 * DAY)), { minLength: 1, maxLength: 120 });
  fc.assert(
    fc.property(acts, fc.nat(120), (history, cut) => {
      let [direct, kept, nowMs] = [operatorDecider.initial, operatorDecider.initial, START];
      for (const [n, [act, after]] of history.entries()) {
        nowMs += after;
        direct = step(direct, act, n, nowMs);
        kept = step(kept, act, n, nowMs);
        if (n % 20 !== cut % 20 || direct.created === undefined) continue;
        kept = asKept(kept)!;
        expect(kept).toEqual(direct);
      }
      expect(kept).toEqual(direct);
    }),
  );
});

it('is no state when it is something else, or of an operator that is not', () => {
  expect(asKept(operatorDecider.initial)).toBeUndefined();
  const good = step(operatorDecider.initial, 'log_in', 1, START);
  for (const wrong of [null, {}, { ...good, tokens: [{}] }, { ...good, more: 1 }])
    expect(operatorDecider.kept!.revive(wrong)).toBeUndefined();
});

it('has another name whenever the fold gives another state: raise it in kept-operator.ts, then write the digest anew', () => {
  let state = operatorDecider.initial;
  for (let n = 0; n < 2_000; n++) state = step(state, ACTS[(n * 7) % ACTS.length]!, n, START + n * 2_000_000);
  expect(state.tokens.length).toBeGreaterThan(20);
  expect([
    operatorDecider.kept!.name,
    sha256Hex(canonicalJson(JSON.parse(JSON.stringify(state)))).slice(0, 16),
  ]).toEqual(['operator.1-ee72bd09', '0d31ef8ec855e559']);
});

import { isoTime } from '#kernel';
import type { OperatorDoc, TokenDoc } from '#access';
import { operatorConditions, tokenConditions } from './operator-conditions.js';

const DAY_MS = 86_400_000;
const MADE = Date.parse('2026-11-01T00:00:00Z');
const token = (lifeMs: number | null, revoked_at: string | null = null): TokenDoc => ({
  ...{ id: 't', label: '', scopes: [], guarded: false, created_at: isoTime(MADE), revoked_at },
  expires_at: lifeMs === null ? null : isoTime(MADE + lifeMs),
});
const told = (answer: { readonly conditions: readonly { type: string; status: string; reason: string }[] }) =>
  Object.fromEntries(answer.conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
const at = (lifeMs: number | null, passedMs: number) => told(tokenConditions(token(lifeMs), 'active', MADE + passedMs));

it('says that a token ends soon in its last week, or in the last fifth of a shorter life', () => {
  expect(at(90 * DAY_MS, 82 * DAY_MS)).toMatchObject({ Ready: 'true Active', Expiring: 'false NotSoon' });
  expect(at(90 * DAY_MS, 84 * DAY_MS)).toMatchObject({ Ready: 'true Active', Expiring: 'true EndsSoon' });
  expect(at(8 * 3_600_000, 3_600_000)['Expiring']).toBe('false NotSoon');
  expect(at(8 * 3_600_000, 7 * 3_600_000)['Expiring']).toBe('true EndsSoon');
  expect(at(null, 900 * DAY_MS)['Expiring']).toBe('false NoEnd');
});

it('says that a token opens nothing, and that nothing is wrong with that', () => {
  const revoked = token(DAY_MS, '2026-11-01T01:00:00Z');
  const { conditions } = tokenConditions(revoked, 'revoked', MADE);
  expect(told({ conditions })).toEqual({
    ...{ Ready: 'false Revoked', Progressing: 'false Revoked', Degraded: 'false Revoked' },
    ...{ Expiring: 'false NotSoon', Revoked: 'true Revoked' },
  });
  expect(conditions[0]!.last_transition_at).toBe('2026-11-01T01:00:00Z');
});

it('says of an operator whether anything lets them in', () => {
  const doc = { disabled: false, created_at: '2026-11-01T00:00:00Z' } as OperatorDoc;
  expect(told(operatorConditions(doc, 0))).toMatchObject({ Ready: 'true Active', HasToken: 'false NoToken' });
  expect(told(operatorConditions({ ...doc, disabled: true }, 0))).toMatchObject({
    ...{ Ready: 'false Disabled', Degraded: 'false Disabled', HasToken: 'false Disabled' },
  });
  expect([0, 1, 2].map((tokens) => operatorConditions(doc, tokens).conditions.at(-1)?.message)).toEqual([
    'no token opens anything now',
    '1 token opens something now',
    '2 tokens open something now',
  ]);
});

import { isoTime } from '#kernel';
import { operatorDecider, type OperatorCommand, type OperatorState } from './operator.js';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const HOUR = 3_600_000;
const [operatorId, accountId] = [
  'operator-00000000-0000-4000-8000-000000000001',
  'account-00000000-0000-4000-8000-000000000001',
] as const;

/** One operator, and what a command did: its events, or the code of its refusal. */
const operator = () => {
  let state: OperatorState = operatorDecider.initial;
  let made = 0;
  const decide = (command: OperatorCommand) => {
    const decision = operatorDecider.decide(command, state);
    if (decision.kind === 'reject') return decision.refusal.code;
    const events = decision.kind === 'accept' ? decision.events : [];
    state = events.reduce(operatorDecider.evolve, state);
    return events.map(({ type, data }) => [
      type.replace('system.operator.', ''),
      'because' in data ? data.because : null,
    ]);
  };
  const token = (nowMs: number, permissions = ['role:operator']) => ({
    ...{ token_id: `t${made++}`, token_digest: '0'.repeat(64), permissions, label: '' },
    ...{ expires_at: isoTime(nowMs + 8 * HOUR), at: isoTime(nowMs) },
  });
  const logIn = (nowMs: number, permissions?: string[]) =>
    decide({
      ...{ type: 'log_in', operatorId, accountId, name: 'oidc:m', role: 'operator', issuer: 'i', address: null, nowMs },
      token: token(nowMs, permissions),
    });
  const issue = (nowMs: number) => decide({ type: 'create_token', token: token(nowMs) });
  return { logIn, issue, decide, state: () => state };
};

it('ends the oldest session for the twenty-first, and says why', () => {
  const { logIn, state } = operator();
  for (let i = 0; i < 20; i++) expect(logIn(NOW + i)).not.toContainEqual(['token_revoked', 'too_many_logins']);
  expect(logIn(NOW + 20)).toContainEqual(['token_revoked', 'too_many_logins']);
  expect(state().tokens.find(({ tokenId }) => tokenId === 't0')).toMatchObject({ revoked: true });
  expect(logIn(NOW + 21, ['role:viewer']).slice(0, 2)).toEqual(Array(2).fill(['token_revoked', 'role_changed']));
});

it('forgets what ended: the state is as large after a year of logins as after a month', () => {
  const { logIn, state } = operator();
  const sizes: number[] = [];
  for (let day = 0; day < 365; day++) {
    for (let i = 0; i < 5; i++) expect(typeof logIn(NOW + day * 24 * HOUR + i * HOUR)).toBe('object');
    sizes.push(state().tokens.length);
  }
  expect(Math.max(...sizes)).toBeLessThanOrEqual(71);
  expect(sizes.at(-1)).toBe(sizes[30]);
  expect(state().logins.length).toBeLessThanOrEqual(60);
});

it('refuses more than sixty logins in an hour, and lets in again after it', () => {
  const { logIn } = operator();
  for (let i = 0; i < 60; i++) expect(typeof logIn(NOW + i)).toBe('object');
  expect(logIn(NOW + 60)).toBe('too_many_logins');
  expect(typeof logIn(NOW + HOUR)).toBe('object');
});

it('tells once that nobody lets the person in any more, even when the last session ended by itself', () => {
  const { logIn, decide } = operator();
  logIn(NOW);
  const tomorrow = { type: 'end_logins', nowMs: NOW + 24 * HOUR } as const;
  expect(decide(tomorrow)).toEqual([['token_revoked', 'no_rule']]);
  expect(decide(tomorrow)).toEqual([]);
  logIn(NOW + 25 * HOUR);
  expect(decide({ ...tomorrow, nowMs: NOW + 26 * HOUR })).toEqual([['token_revoked', 'no_rule']]);
});

it('tells it once of who had logged out before the rule was taken away, and again after another login', () => {
  const { logIn, decide } = operator();
  const end = { type: 'end_logins', nowMs: NOW + 1 } as const;
  expect(decide(end)).toEqual([]);
  for (const tokenId of ['t0', 't1']) {
    logIn(NOW);
    decide({ type: 'revoke_token', tokenId, because: 'logged_out' });
    expect(decide(end)).toEqual([['token_revoked', 'no_rule']]);
    expect(decide(end)).toEqual([]);
  }
});

it('issues two hundred tokens that open something, and no more', () => {
  const { logIn, issue } = operator();
  logIn(NOW);
  for (let i = 0; i < 200; i++) expect(issue(NOW)).toEqual([['token_created', null]]);
  expect(issue(NOW)).toBe('too_many_tokens');
  expect(issue(NOW + 8 * HOUR)).toEqual([['token_created', null]]);
});

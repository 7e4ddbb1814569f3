import { permits } from '../permissions.js';
import { presentAuthority } from './authority.js';
import type { OperatorState, OperatorTokenState } from './operator.js';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const token = (tokenId: string, permissions: string[], more: Partial<OperatorTokenState> = {}): OperatorTokenState => ({
  ...{ tokenId, permissions, digest: '', expiresAt: null, revoked: false, guarded: false, label: '', login: false },
  ...more,
});
const maria = (tokens: OperatorTokenState[], disabled = false): OperatorState => ({
  created: { operatorId: 'operator-1' as never, accountId: 'account-1' as never, name: 'maria' },
  tokens,
  disabled,
  logins: [],
  letInNoMore: false,
});
const asked = { tokenId: 'asked', permissions: new Set(['system.nodes.*', 'system.sdwan.write']) };
const codeOf = (state: OperatorState | undefined) => {
  const authority = presentAuthority(state, asked, NOW);
  return authority.kind === 'none' ? authority.refusal.code : [...authority.permissions].sort();
};

const expired = { expiresAt: '2026-11-21T12:00:00.000Z' };
const other = token('other', ['role:admin']);

it('is what the token that asked may do now', () => {
  expect(codeOf(maria([token('asked', ['system.nodes.write']), other]))).toEqual(['system.nodes.write']);
});

it('is nothing for a revoked token, a disabled operator or one that never was, whatever else they have', () => {
  expect(codeOf(maria([token('asked', ['*'], { revoked: true }), other]))).toBe('requester_revoked');
  expect(codeOf(maria([token('asked', ['*'])], true))).toBe('requester_disabled');
  expect(codeOf(undefined)).toBe('requester_gone');
});

it('is, once that token has expired, what was allowed then and is allowed by another one now', () => {
  const now = codeOf(maria([token('asked', ['*'], expired), token('new', ['role:viewer', 'system.sdwan.write'])]));
  expect(now).toEqual(['system.nodes.read', 'system.sdwan.write']);
  expect(codeOf(maria([token('asked', ['*'], expired)]))).toBe('requester_expired');
  // Forgotten: whether it was revoked, nobody knows.
  expect(codeOf(maria([other]))).toBe('requester_expired');
  expect(codeOf(maria([token('asked', ['*'], expired), token('new', ['*'], { revoked: true })]))).toBe(
    'requester_expired',
  );
});

it('never gains what the request did not have, for an earlier build that named no token', () => {
  const authority = presentAuthority(maria([other]), { ...asked, tokenId: undefined }, NOW);
  if (authority.kind === 'none') throw new Error(authority.refusal.code);
  expect(permits(authority.permissions, 'system.nodes.write')).toBe(true);
  expect(permits(authority.permissions, 'system.operators.write')).toBe(false);
});

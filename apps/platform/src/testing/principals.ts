import { deterministicUuid, systemClock, systemRandom } from '#kernel';
import {
  ADMIN_OPERATOR_ID,
  createOperatorToken,
  DEFAULT_ACCOUNT_ID,
  mintOperatorToken,
  ROLE_PERMISSIONS,
} from '#access';
import type { TestPlatform } from './test-platform.js';

/** Kinds of callers that there are. */
export const PRINCIPAL_KINDS = [
  ...(['anonymous', 'malformed', 'unknown', 'expired', 'revoked', 'disabled', 'agent certificate'] as const),
  ...(['viewer', 'operator', 'admin', 'guarded', 'other account', 'system'] as const),
] as const;
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number];

export interface Caller {
  readonly kind: PrincipalKind;
  /** The Authorization header; none for who sends none. */
  readonly authorization: string | undefined;
  /** Undefined for who is nobody. */
  readonly permissions: ReadonlySet<string> | undefined;
}

const ROLE_OF: Partial<Record<PrincipalKind, keyof typeof ROLE_PERMISSIONS>> = {
  ...{ viewer: 'viewer', operator: 'operator', admin: 'admin', system: 'system' },
  ...{ guarded: 'operator', 'other account': 'admin' },
};

interface Shown {
  readonly token: { readonly id: string; readonly secret: string };
}

/** Callers of every kind, made by the platform's own tools as far as these make them. */
export const makeCallers = async (drover: TestPlatform): Promise<readonly Caller[]> => {
  const ok = async (tool: string, args: object) => {
    const { body } = await drover.rest(tool, args);
    if (!body.success) throw new Error(`${tool}: ${JSON.stringify(body.error)}`);
    return body.data as unknown as Shown;
  };
  const secrets: Partial<Record<PrincipalKind, string>> = {
    unknown: mintOperatorToken(ADMIN_OPERATOR_ID, systemRandom).token,
    expired: await expiredToken(drover),
    // What an agent proves itself with, sent where operators are asked for a token.
    'agent certificate': Buffer.from(drover.platform.foundation.access.ca.caDer()[0]!).toString('base64').slice(0, 500),
  };
  for (const kind of ['viewer', 'operator', 'admin', 'system', 'guarded'] as const) {
    const made = await ok('system_create_operator', {
      name: `m-${kind}`,
      role: ROLE_OF[kind],
      guarded: kind === 'guarded',
    });
    secrets[kind] = made.token.secret;
  }
  const revoked = await ok('system_issue_token', { operator: 'm-viewer', role: 'viewer' });
  secrets.revoked = revoked.token.secret;
  await ok('system_revoke_token', { token_id: revoked.token.id });
  secrets.disabled = (await ok('system_create_operator', { name: 'disabled', role: 'admin' })).token.secret;
  await ok('system_disable_operator', { operator: 'disabled', reason: 'left' });
  secrets['other account'] = (await ok('system_create_account', { name: 'other' })).token.secret;
  return PRINCIPAL_KINDS.map((kind) => callerOf(kind, secrets[kind]));
};

const callerOf = (kind: PrincipalKind, secret: string | undefined): Caller => {
  const role = ROLE_OF[kind];
  const permissions = role === undefined ? undefined : new Set(ROLE_PERMISSIONS[role]);
  if (kind === 'anonymous') return { kind, authorization: undefined, permissions };
  return { kind, authorization: kind === 'malformed' ? 'Basic YTpi' : `Bearer ${secret}`, permissions };
};

/** No tool makes a token that has ended already. */
const expiredToken = async ({ platform }: TestPlatform): Promise<string> => {
  const context = {
    ...{ commandId: deterministicUuid('expired'), correlationId: 'test', causationId: 'test' },
    ...{ accountId: DEFAULT_ACCOUNT_ID, actor: { kind: 'system', id: 'test' } as const, nowMs: systemClock.wallMs() },
  };
  const deps = { transactor: platform.foundation.transactor, random: systemRandom };
  const expiresAt = '2020-01-01T00:00:00.000Z';
  return (await createOperatorToken(deps, { operatorId: ADMIN_OPERATOR_ID, permissions: ['*'], expiresAt }, context))
    .token;
};

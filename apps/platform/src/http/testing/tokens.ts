import { deterministicUuid, systemRandom } from '#kernel';
import { ADMIN_OPERATOR_ID, createOperatorToken, DEFAULT_ACCOUNT_ID } from '#access';
import type { TestPlatform } from '../../testing/test-platform.js';

/** A further token of the admin operator. */
export const makeToken = async (
  { platform }: TestPlatform,
  permissions: readonly string[],
  more: { readonly guarded?: boolean } = {},
): Promise<string> => {
  const context = {
    commandId: deterministicUuid('test-token', JSON.stringify([permissions, more])),
    correlationId: 'test',
    causationId: 'test',
    accountId: DEFAULT_ACCOUNT_ID,
    actor: { kind: 'system', id: 'test' } as const,
    nowMs: 0,
  };
  const deps = { transactor: platform.foundation.transactor, random: systemRandom };
  const input = { operatorId: ADMIN_OPERATOR_ID, permissions, expiresAt: null, ...more };
  return (await createOperatorToken(deps, input, context)).token;
};

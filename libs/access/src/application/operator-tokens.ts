import { isoTime, refusal, RefusedError, type AccountId, type OperatorId, type Random } from '#kernel';
import type { CommandContext, Transactor } from '#processing';
import { operatorDecider } from '../domain/operator/operator.js';
import type { Principal } from '../ports.js';
import { mintOperatorToken, type MintedToken } from '../tokens/operator-token.js';

/** Makes a further token for an operator. The plaintext is in the answer and nowhere else. Refuses with RefusedError. */
export const createOperatorToken = async (
  deps: { readonly transactor: Transactor; readonly random: Pick<Random, 'bytes'> },
  input: {
    readonly operatorId: OperatorId;
    readonly permissions: readonly string[];
    readonly expiresAt: string | null;
    /** For an AI operator. */
    readonly guarded?: boolean;
  },
  context: CommandContext,
): Promise<MintedToken> => {
  const minted = mintOperatorToken(input.operatorId, deps.random);
  const done = await deps.transactor.transact(
    input.operatorId,
    operatorDecider,
    {
      type: 'create_token',
      token: {
        token_id: minted.tokenId,
        at: isoTime(context.nowMs),
        token_digest: minted.digest,
        permissions: input.permissions,
        expires_at: input.expiresAt,
        ...(input.guarded === true ? { guarded: true } : {}),
      },
    },
    context,
  );
  if (done.kind === 'refused') throw new RefusedError(done.refusal);
  return minted;
};

/** From the moment this resolves the token opens nothing. Revoking again changes nothing. */
export const revokeOperatorToken = async (
  transactor: Transactor,
  input: { readonly operatorId: OperatorId; readonly tokenId: string },
  context: CommandContext,
): Promise<void> => {
  const command = { type: 'revoke_token', tokenId: input.tokenId } as const;
  const done = await transactor.transact(input.operatorId, operatorDecider, command, context);
  if (done.kind === 'refused') throw new RefusedError(done.refusal);
};

/** Ends the very token that was shown; answers its id. Refuses with RefusedError. */
export const logOut = async (
  transactor: Transactor,
  { operatorId, accountId, tokenId, expiresAtMs }: Principal,
  { id, nowMs }: { readonly id: string; readonly nowMs: number },
): Promise<string> => {
  // The platform's first token: who ends it by leaving has locked everybody out.
  if (tokenId === undefined || expiresAtMs === undefined)
    throw new RefusedError(
      refusal(409, 'token_has_no_end', 'this token is no session: it has no end', {
        hint: 'drover context remove forgets it here; drover token revoke ends it, as somebody else',
      }),
    );
  const command = { type: 'revoke_token', tokenId, because: 'logged_out' } as const;
  const done = await transactor.transact(operatorId, operatorDecider, command, {
    ...{ commandId: id, correlationId: id, causationId: id, nowMs, accountId: accountId as AccountId },
    actor: { kind: 'operator', id: operatorId as OperatorId },
  });
  if (done.kind === 'refused') throw new RefusedError(done.refusal);
  return tokenId;
};

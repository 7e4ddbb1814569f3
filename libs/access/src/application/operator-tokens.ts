import { isoTime, RefusedError, type OperatorId, type Random } from '#kernel';
import type { CommandContext, Transactor } from '#processing';
import { operatorDecider } from '../domain/operator/operator.js';
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

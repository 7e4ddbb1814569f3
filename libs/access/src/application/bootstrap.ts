import { join } from 'node:path';
import {
  deterministicId,
  RefusedError,
  type AccountId,
  type Clock,
  type OperatorId,
  type Random,
  failpoint,
} from '#kernel';
import type { CommandContext, Transactor } from '#processing';
import { accountDecider } from '../domain/account/account.js';
import { operatorDecider } from '../domain/operator/operator.js';
import { createOnce, readIfThere, replaceFile } from '../private-files.js';
import { mintOperatorToken, parseOperatorToken, type ParsedOperatorToken } from '../tokens/operator-token.js';

/** The account and the operator of the first start. Their ids are the same everywhere, so that a retry finds them. */
export const DEFAULT_ACCOUNT_ID: AccountId = deterministicId('account', 'default');
export const ADMIN_OPERATOR_ID: OperatorId = deterministicId('operator', 'admin');

export interface BootstrapDeps {
  readonly transactor: Transactor;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly random: Pick<Random, 'bytes'>;
  readonly dataDir: string;
}

export interface Bootstrapped {
  readonly accountId: AccountId;
  readonly operatorId: OperatorId;
  readonly tokenFile: string;
  /** Only when this start made the operator: to be shown once. */
  readonly adminToken: string | undefined;
}

/**
 * First start: the default account and the operator `admin` with permission `*`. The token file is written before the event
 * that makes the token valid, and a file that is already there is used: a crash in between leaves a token that the next
 * start makes valid. Starting again changes nothing.
 */
export const bootstrapAccess = async (deps: BootstrapDeps): Promise<Bootstrapped> => {
  const tokenFile = join(deps.dataDir, 'admin.token');
  const base = { accountId: DEFAULT_ACCOUNT_ID, operatorId: ADMIN_OPERATOR_ID, tokenFile };
  await createAccount(deps);
  await failpoint('bootstrap.account_made');
  const known = await deps.transactor.read(ADMIN_OPERATOR_ID, operatorDecider);
  if (known?.state.created !== undefined) return { ...base, adminToken: undefined };
  const { token, parsed } = await tokenOnDisk(deps, tokenFile);
  await failpoint('bootstrap.token_written');
  const done = await deps.transactor.transact(
    ADMIN_OPERATOR_ID,
    operatorDecider,
    {
      type: 'create_operator',
      operatorId: ADMIN_OPERATOR_ID,
      accountId: DEFAULT_ACCOUNT_ID,
      name: 'admin',
      token: { token_id: parsed.tokenId, token_digest: parsed.digest, permissions: ['*'], expires_at: null },
    },
    context(deps, `bootstrap-operator-${parsed.tokenId}`),
  );
  if (done.kind === 'refused') throw new RefusedError(done.refusal);
  return { ...base, adminToken: done.kind === 'accepted' ? token : undefined };
};

const createAccount = async (deps: BootstrapDeps): Promise<void> => {
  const command = { type: 'create_account', accountId: DEFAULT_ACCOUNT_ID, name: 'default' } as const;
  const done = await deps.transactor.transact(
    DEFAULT_ACCOUNT_ID,
    accountDecider,
    command,
    context(deps, 'bootstrap-account'),
  );
  if (done.kind === 'refused') throw new RefusedError(done.refusal);
};

const tokenOnDisk = async (
  deps: BootstrapDeps,
  path: string,
): Promise<{ token: string; parsed: ParsedOperatorToken }> => {
  const usable = (text: string | undefined) => {
    const token = text?.trim();
    const parsed = token === undefined ? undefined : parseOperatorToken(token);
    return parsed?.operatorId === ADMIN_OPERATOR_ID ? { token: token!, parsed } : undefined;
  };
  const found = await readIfThere(path);
  const already = usable(found);
  if (already !== undefined) return already;
  const fresh = mintOperatorToken(ADMIN_OPERATOR_ID, deps.random).token;
  // A file without a usable token cannot be ours: replace it; otherwise the first of several writers wins.
  if (found !== undefined) await replaceFile(path, `${fresh}\n`);
  return usable(found === undefined ? await createOnce(path, `${fresh}\n`) : fresh)!;
};

const context = (deps: BootstrapDeps, commandId: string): CommandContext => ({
  commandId,
  correlationId: 'bootstrap',
  causationId: 'bootstrap',
  accountId: DEFAULT_ACCOUNT_ID,
  actor: { kind: 'system', id: 'platform' },
  nowMs: deps.clock.wallMs(),
});

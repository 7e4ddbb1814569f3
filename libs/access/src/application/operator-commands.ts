import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { deterministicUuid, isoTime, RANDOM, refusal, type AccountId, type OperatorId, type Random } from '#kernel';
import { Command, TRANSACTOR, type CommandContext, type CommandResult, type Transactor } from '#processing';
import { accountDecider } from '../domain/account/account.js';
import { operatorDecider, type OperatorCommand } from '../domain/operator/operator.js';
import { mintOperatorToken, type MintedToken } from '../tokens/operator-token.js';

export interface TokenWish {
  /** `role:viewer`, permissions, or `system.nodes.*`. */
  readonly scopes: readonly string[];
  readonly expiresAt: string | null;
  readonly guarded: boolean;
  readonly label: string;
}

/** The token is null when the same call was made before: it was shown then, and is kept nowhere. */
export interface ShownToken {
  readonly tokenId: string;
  readonly token: string | null;
}

export class CreateAccount extends Command<{ readonly accountId: AccountId; readonly name: string }, void> {
  static readonly type = 'access.create_account';
}
export class CreateOperator extends Command<
  { readonly accountId: AccountId; readonly operatorId: OperatorId; readonly name: string; readonly token: TokenWish },
  ShownToken
> {
  static readonly type = 'access.create_operator';
}
export class IssueToken extends Command<
  { readonly operatorId: OperatorId; readonly token: TokenWish; readonly replaces?: string },
  ShownToken
> {
  static readonly type = 'access.issue_token';
}
export class ChangeOperator extends Command<
  {
    readonly operatorId: OperatorId;
    readonly change: Extract<OperatorCommand, { type: 'revoke_token' | 'disable' | 'enable' }>;
  },
  void
> {
  static readonly type = 'access.change_operator';
}

const positionOf = <P>(done: { readonly position?: P }) =>
  done.position === undefined ? {} : { position: done.position };

/** What a call does for an account belongs to that account, whoever made the call. */
const within = (context: CommandContext, accountId: AccountId, step: string): CommandContext => ({
  ...context,
  accountId,
  commandId: deterministicUuid(step, context.commandId),
});

@CommandHandler(CreateAccount)
export class CreateAccountHandler implements ICommandHandler<CreateAccount> {
  constructor(@Inject(TRANSACTOR) private readonly transactor: Transactor) {}

  async execute({ payload, context }: CreateAccount): Promise<CommandResult<void>> {
    const { accountId, name } = payload;
    const command = { type: 'create_account', accountId, name } as const;
    const done = await this.transactor.transact(
      accountId,
      accountDecider,
      command,
      within(context, accountId, 'account'),
    );
    if (done.kind === 'refused') return done;
    if (done.kind === 'nothing' && done.reason === 'already_created') {
      return { kind: 'refused', refusal: taken('account', name, accountId) };
    }
    return { kind: 'done', value: undefined, ...positionOf(done) };
  }
}

/** Stored as a digest; the plaintext leaves with the answer. */
const tokenEvent = ({ scopes, expiresAt, guarded, label }: TokenWish, minted: MintedToken, nowMs: number) => ({
  at: isoTime(nowMs),
  token_id: minted.tokenId,
  token_digest: minted.digest,
  permissions: scopes,
  expires_at: expiresAt,
  ...(guarded ? { guarded: true } : {}),
  ...(label === '' ? {} : { label }),
});

@CommandHandler(CreateOperator)
export class CreateOperatorHandler implements ICommandHandler<CreateOperator> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(RANDOM) private readonly random: Random,
  ) {}

  async execute({ payload, context }: CreateOperator): Promise<CommandResult<ShownToken>> {
    const { accountId, operatorId, name, token } = payload;
    const minted = mintOperatorToken(operatorId, this.random, context.commandId);
    const command = {
      type: 'create_operator',
      ...{ operatorId, accountId, name },
      token: tokenEvent(token, minted, context.nowMs),
    } as const;
    const own = within(context, accountId, 'operator');
    const done = await this.transactor.transact(operatorId, operatorDecider, command, own);
    if (done.kind === 'refused') return done;
    if (done.kind === 'nothing' && done.reason === 'already_created') {
      return { kind: 'refused', refusal: taken('operator', name, operatorId) };
    }
    return { kind: 'done', value: shown(done.kind === 'accepted', minted), ...positionOf(done) };
  }
}

@CommandHandler(IssueToken)
export class IssueTokenHandler implements ICommandHandler<IssueToken> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(RANDOM) private readonly random: Random,
  ) {}

  async execute({ payload, context }: IssueToken): Promise<CommandResult<ShownToken>> {
    const { operatorId, token: wish, replaces } = payload;
    const minted = mintOperatorToken(operatorId, this.random, context.commandId);
    const token = tokenEvent(wish, minted, context.nowMs);
    const command: OperatorCommand =
      replaces === undefined ? { type: 'create_token', token } : { type: 'rotate_token', tokenId: replaces, token };
    const done = await this.transactor.transact(operatorId, operatorDecider, command, context);
    if (done.kind === 'refused') return done;
    return { kind: 'done', value: shown(done.kind === 'accepted', minted), ...positionOf(done) };
  }
}

@CommandHandler(ChangeOperator)
export class ChangeOperatorHandler implements ICommandHandler<ChangeOperator> {
  constructor(@Inject(TRANSACTOR) private readonly transactor: Transactor) {}

  async execute({ payload, context }: ChangeOperator): Promise<CommandResult<void>> {
    const { operatorId, change } = payload;
    const done = await this.transactor.transact(operatorId, operatorDecider, change, context);
    if (done.kind === 'refused') return done;
    return { kind: 'done', value: undefined, ...(done.kind === 'accepted' ? { position: done.position } : {}) };
  }
}

const shown = (isNew: boolean, { tokenId, token }: MintedToken): ShownToken => ({
  tokenId,
  token: isNew ? token : null,
});

const taken = (kind: string, name: string, id: string) =>
  refusal(409, 'name_taken', `${kind} name "${name}" is taken`, {
    field: 'name',
    hint: 'choose another name',
    candidates: [{ id, name }],
  });

export const operatorHandlers = [CreateAccountHandler, CreateOperatorHandler, IssueTokenHandler, ChangeOperatorHandler];

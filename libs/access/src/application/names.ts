import { deterministicUuid } from '#kernel';
import type { CommandContext, Transacted, Transactor } from '#processing';
import { accountDecider, type AccountEvent, type AccountState, type NameKind } from '../domain/account/account.js';

export interface NameOfEntity {
  readonly kind: NameKind;
  readonly name: string;
  readonly id: string;
}

/** One command may claim and release several names on the account's stream, so each step gets a command id of its own. */
const stepContext = (step: string, name: NameOfEntity, context: CommandContext): CommandContext => ({
  ...context,
  commandId: deterministicUuid(step, context.commandId, name.kind, name.name, name.id),
});

/**
 * Reserves a name for an entity before the entity's own stream is written. Unique per account and kind; the same id may
 * claim again (a retry after a crash between the two steps). Refuses with 409 `name_taken`.
 */
export const claimName = (
  transactor: Transactor,
  name: NameOfEntity,
  context: CommandContext,
): Promise<Transacted<AccountState, AccountEvent>> =>
  transactor.transact(
    context.accountId,
    accountDecider,
    { type: 'claim_name', ...name },
    stepContext('claim_name', name, context),
  );

/** Gives a name back; nothing happens when somebody else holds it by now. */
export const releaseName = (
  transactor: Transactor,
  name: NameOfEntity,
  context: CommandContext,
): Promise<Transacted<AccountState, AccountEvent>> =>
  transactor.transact(
    context.accountId,
    accountDecider,
    { type: 'release_name', ...name },
    stepContext('release_name', name, context),
  );

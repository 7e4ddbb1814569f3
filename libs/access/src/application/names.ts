import { deterministicUuid, isoTime } from '#kernel';
import type { CommandContext, Transacted, Transactor } from '#processing';
import {
  accountDecider,
  nameClaimedAt,
  nameHolder,
  type AccountEvent,
  type AccountState,
  type NameKind,
} from '../domain/account/account.js';

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
export const claimName = async (
  transactor: Transactor,
  name: NameOfEntity,
  context: CommandContext,
): Promise<Transacted<AccountState, AccountEvent>> => {
  const command = { type: 'claim_name', ...name, claimedAt: isoTime(context.nowMs) } as const;
  const step = stepContext('claim_name', name, context);
  const claimed = await transactor.transact(context.accountId, accountDecider, command, step);
  if (claimed.kind !== 'refused') return claimed;
  const released = await releaseAbandoned(transactor, name, context);
  return released ? transactor.transact(context.accountId, accountDecider, command, step) : claimed;
};

/** Longer than any command lasts: who reserved a name and has nothing by then was cut off in between. */
const ABANDONED_AFTER_MS = 60_000;

/** Whether anything at all stands in a stream. */
const anything = { initial: null, evolve: () => null };

/** A platform killed between the two steps of a creation leaves a name that nobody bears and nobody would give back. */
const releaseAbandoned = async (
  transactor: Transactor,
  { kind, name }: NameOfEntity,
  context: CommandContext,
): Promise<boolean> => {
  const known = await transactor.read(context.accountId, accountDecider);
  const holder = known === undefined ? undefined : nameHolder(known.state, kind, name);
  if (known === undefined || holder === undefined) return false;
  const since = nameClaimedAt(known.state, kind, name);
  if (since !== undefined && context.nowMs - Date.parse(since) < ABANDONED_AFTER_MS) return false;
  if ((await transactor.read(holder, anything)) !== undefined) return false;
  const released = await releaseName(transactor, { kind, name, id: holder }, context);
  return released.kind !== 'refused';
};

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

import {
  accept,
  assertNever,
  nothing,
  refusal,
  reject,
  type AccountId,
  type Decider,
  type Decision,
  type EventOf,
} from '#kernel';
import { AccountCreated, NameClaimed, NameReleased } from '../events.js';

export type NameKind = ReturnType<typeof NameClaimed>['data']['kind'];
export type AccountEvent = EventOf<typeof AccountCreated> | EventOf<typeof NameClaimed> | EventOf<typeof NameReleased>;

/** Newest first. A list, so that folding costs the same however many names there are; a decision walks it once or twice. */
interface NameLink {
  readonly key: string;
  readonly id: string | undefined;
  readonly claimedAt: string | undefined;
  readonly older: NameLink | undefined;
}

export interface AccountState {
  readonly created: boolean;
  readonly names: NameLink | undefined;
}

export type AccountCommand =
  | { readonly type: 'create_account'; readonly accountId: AccountId; readonly name: string }
  | {
      readonly type: 'claim_name';
      readonly kind: NameKind;
      readonly name: string;
      readonly id: string;
      readonly claimedAt?: string;
    }
  | { readonly type: 'release_name'; readonly kind: NameKind; readonly name: string; readonly id: string };

const keyOf = (kind: NameKind, name: string): string => `${kind}/${name}`;

const linkOf = (state: AccountState, kind: NameKind, name: string): NameLink | undefined => {
  const key = keyOf(kind, name);
  for (let link = state.names; link !== undefined; link = link.older) if (link.key === key) return link;
  return undefined;
};

/** The id of the entity that bears a name, or for which it is reserved. */
export const nameHolder = (state: AccountState, kind: NameKind, name: string): string | undefined =>
  linkOf(state, kind, name)?.id;

/** When it was reserved; undefined for what earlier builds reserved. */
export const nameClaimedAt = (state: AccountState, kind: NameKind, name: string): string | undefined =>
  linkOf(state, kind, name)?.claimedAt;

const freeName = (state: AccountState, kind: NameKind, name: string): string => {
  for (let n = 2; ; n++) {
    const candidate = `${name}-${n}`;
    if (nameHolder(state, kind, candidate) === undefined) return candidate;
  }
};

const decide = (command: AccountCommand, state: AccountState): Decision<AccountEvent> => {
  switch (command.type) {
    case 'create_account':
      if (state.created) return nothing('already_created');
      return accept(AccountCreated({ account_id: command.accountId, name: command.name }));
    case 'claim_name': {
      const { kind, name, id } = command;
      const holder = nameHolder(state, kind, name);
      // A claim by the same id is a retry: the entity may not have come to be the first time.
      if (holder === id) return nothing('already_claimed');
      if (holder === undefined) {
        const { claimedAt } = command;
        return accept(NameClaimed({ kind, name, id, ...(claimedAt === undefined ? {} : { claimed_at: claimedAt }) }));
      }
      const free = freeName(state, kind, name);
      const message = `${kind.replaceAll('_', ' ')} name "${name}" is taken by ${holder}`;
      return reject(
        refusal(409, 'name_taken', message, {
          field: 'name',
          hint: `choose another name, for example "${free}"`,
          candidates: [{ id: holder, name }],
        }),
      );
    }
    case 'release_name': {
      const { kind, name, id } = command;
      if (nameHolder(state, kind, name) !== id) return nothing('not_held');
      return accept(NameReleased({ kind, name, id }));
    }
    default:
      return assertNever(command);
  }
};

const evolve = (state: AccountState, event: AccountEvent): AccountState => {
  switch (event.type) {
    case 'system.account.created':
      return { ...state, created: true };
    case 'system.account.name_claimed': {
      const { kind, name, id, claimed_at: claimedAt } = event.data;
      return { ...state, names: { key: keyOf(kind, name), id, claimedAt, older: state.names } };
    }
    case 'system.account.name_released': {
      const { kind, name } = event.data;
      return { ...state, names: { key: keyOf(kind, name), id: undefined, claimedAt: undefined, older: state.names } };
    }
    default:
      return assertNever(event);
  }
};

/** Names are unique per account and kind; the account's stream decides, never a read model. */
export const accountDecider: Decider<AccountState, AccountCommand, AccountEvent> = {
  initial: { created: false, names: undefined },
  decide,
  evolve,
};

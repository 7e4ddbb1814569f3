import { accept, nothing, reject, type Decider, type EventOf } from '#kernel';
import { NameClaimed, NameReleased } from '#access';
import type { CommandContext, Transactor } from '#processing';
import { nameKey, nameTaken, type NameKind, type NamesState } from '../domain/names.js';

type NameEvent = EventOf<typeof NameClaimed> | EventOf<typeof NameReleased>;
interface NameCommand {
  readonly kind: 'claim' | 'release';
  readonly of: NameKind;
  readonly name: string;
  readonly id: string;
}

const evolve = (state: NamesState, event: NameEvent): NamesState => {
  if (event.type !== 'system.account.name_claimed' && event.type !== 'system.account.name_released') return state;
  const key = nameKey(event.data.kind, event.data.name);
  const next = new Map(state);
  if (event.type === 'system.account.name_claimed') next.set(key, event.data.id);
  else next.delete(key);
  return next;
};

const names: Decider<NamesState, NameCommand, NameEvent> = {
  initial: new Map(),
  evolve,
  decide: (command, state) => {
    const { of, name, id } = command;
    const holder = state.get(nameKey(of, name));
    if (command.kind === 'release')
      return holder === id ? accept(NameReleased({ kind: of, name, id })) : nothing('not_held');
    if (holder === undefined) return accept(NameClaimed({ kind: of, name, id }));
    return holder === id ? nothing('held') : reject(nameTaken(of, name, holder));
  },
};

/** Claims or releases a name on the account's stream; the account id is the stream. */
export const changeName = (transactor: Transactor, command: NameCommand, context: CommandContext) =>
  transactor.transact(context.accountId, names, command, context);

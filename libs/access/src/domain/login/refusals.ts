import { accept, type Decider, type EventOf } from '#kernel';
import { LoginRefused } from '../events.js';

type Refused = EventOf<typeof LoginRefused>;

/** Logins that were not let in; one stream an account. Nothing is decided by them. */
export const loginRefusals: Decider<null, Refused['data'], Refused> = {
  initial: null,
  decide: (refused) => accept(LoginRefused(refused)),
  evolve: () => null,
};

import { RefusedError } from '#kernel';
import type { Transactor } from '#processing';
import { prefixDecider } from '../domain/network/prefixes.js';
import { prefixStreamOf, type Writes } from './writes.js';

/** Before anything else is written: what the account's other prefixes refuse. */
export const refuseTakenLan = async (
  transactor: Transactor,
  accountId: string,
  networkId: string,
  peerId: string,
  subnets: readonly string[],
): Promise<void> => {
  const state = (await transactor.read(prefixStreamOf(accountId), prefixDecider))?.state ?? prefixDecider.initial;
  const decision = prefixDecider.decide({ kind: 'claim_lan', networkId, peerId, subnets }, state);
  if (decision.kind === 'reject') throw new RefusedError(decision.refusal);
};

/** The LANs as they were claimed, canonical: nobody else in the account has any of them. */
export const claimLan = async (
  writes: Writes,
  networkId: string,
  peerId: string,
  subnets: readonly string[],
): Promise<readonly string[]> => {
  const stream = prefixStreamOf(writes.context.accountId);
  const command = { kind: 'claim_lan', networkId, peerId, subnets } as const;
  const state = await writes.step(`lan ${peerId}`, stream, prefixDecider, command);
  return state.lans.get(peerId)?.subnets ?? [];
};

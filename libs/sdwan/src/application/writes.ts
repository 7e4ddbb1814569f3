import { deterministicUuid, refusal, RefusedError, type Decider, type DomainEvent } from '#kernel';
import type { EventStore, Position } from '#event-store';
import type { CommandContext, CommandResult, Transacted, Transactor } from '#processing';
import { networkDecider } from '../domain/network/decide.js';
import type { NetworkState } from '../domain/network/state.js';
import { peerDecider } from '../domain/peer/decide.js';
import type { PeerState } from '../domain/peer/state.js';

export type ActiveNetwork = Exclude<NetworkState, { status: 'none' }>;
export type KnownPeer = Exclude<PeerState, { status: 'none' }>;

/**
 * One command over several streams: each step has a command id of its own, derived from the command's, so that a retry
 * after a crash between two steps repeats the first ones without effect and completes the rest.
 */
export class Writes {
  private last: Position | undefined;

  constructor(
    private readonly transactor: Transactor,
    private readonly store: EventStore,
    readonly context: CommandContext,
  ) {}

  async step<S, C, E extends DomainEvent>(
    name: string,
    stream: string,
    decider: Decider<S, C, E>,
    command: C,
  ): Promise<S> {
    const result = await this.attempt(name, stream, decider, command);
    if (result.kind === 'refused') throw new RefusedError(result.refusal);
    return result.state;
  }

  async attempt<S, C, E extends DomainEvent>(
    name: string,
    stream: string,
    decider: Decider<S, C, E>,
    command: C,
  ): Promise<Transacted<S, E>> {
    const context = { ...this.context, commandId: deterministicUuid('step', this.context.commandId, name, stream) };
    const result = await this.transactor.transact(stream, decider, command, context);
    if (result.kind !== 'refused') this.note(result.position);
    return result;
  }

  note(position: Position | undefined): void {
    if (position !== undefined && (this.last === undefined || position > this.last)) this.last = position;
  }

  done<T>(value: T, warnings: readonly string[] = []): CommandResult<T> {
    return {
      kind: 'done',
      value,
      ...(this.last === undefined ? {} : { position: this.last }),
      ...(warnings.length === 0 ? {} : { warnings }),
    };
  }

  /** Another account's stream is as absent as one that never was. */
  async owned(stream: string, field: string, what: string): Promise<void> {
    for await (const event of this.store.readStream(stream)) {
      if (event.meta.accountId === this.context.accountId) return;
      break;
    }
    throw new RefusedError(refusal(404, `${what.replaceAll(' ', '_')}_not_found`, `no ${what} ${stream}`, { field }));
  }

  async network(networkId: string): Promise<ActiveNetwork> {
    await this.owned(networkId, 'network_id', 'network');
    const state = (await this.transactor.read(networkId, networkDecider))?.state;
    if (state === undefined || state.status !== 'active')
      throw new RefusedError(
        refusal(404, 'network_not_found', `network ${networkId} was deleted`, { field: 'network_id' }),
      );
    return state;
  }

  async peer(peerId: string): Promise<KnownPeer | undefined> {
    const state = (await this.transactor.read(peerId, peerDecider))?.state;
    return state === undefined || state.status === 'none' ? undefined : state;
  }
}

/** Runs a handler's body; a refusal thrown anywhere inside is its answer. */
export const refusable = async <T>(body: () => Promise<CommandResult<T>>): Promise<CommandResult<T>> => {
  try {
    return await body();
  } catch (error) {
    if (error instanceof RefusedError) return { kind: 'refused', refusal: error.refusal };
    throw error;
  }
};

/** The account's prefixes stand on a stream of their own beside the account's names. */
export const prefixStreamOf = (accountId: string): string =>
  `account_prefixes-${accountId.slice(accountId.indexOf('-') + 1)}`;
export const portStreamOf = (instanceId: string): string =>
  `port_ledger-${instanceId.slice(instanceId.indexOf('-') + 1)}`;
export const ledgerStreamOf = (networkId: string): string =>
  `address_ledger-${networkId.slice(networkId.indexOf('-') + 1)}`;

import {
  deterministicUuid,
  isoTime,
  refusal,
  type Decider,
  type DomainEvent,
  type EventCatalogue,
  type Refusal,
  failpoint,
} from '#kernel';
import type { EventStore, NewEvent, Position } from '#event-store';
import type { CommandContext } from './command.js';
import { KeyedQueue } from './keyed-queue.js';
import { LoadedStreams, type Fold, type Keep } from './streams/loaded-streams.js';

export type Transacted<S, E extends DomainEvent> =
  | { readonly kind: 'accepted'; readonly state: S; readonly events: readonly E[]; readonly position: Position }
  /** The decider had nothing to do, or an earlier try of this very command already did it. */
  | { readonly kind: 'nothing'; readonly reason: string; readonly state: S; readonly position?: Position }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

export const TRANSACTOR = Symbol('Transactor');
const MAX_TRIES = 8;

/**
 * Load, fold, decide, append; on a conflict load again and decide anew. The one way in which domain streams are written.
 * Commands of this process take turns on a stream (every name of an account is claimed on one), so that they only ever race
 * those of other processes. Throws EventStoreUnavailableError when the store is down; a lost race that never settles is a refusal (409).
 */
export class Transactor {
  private readonly turns = new KeyedQueue();
  private readonly streams: LoadedStreams;

  constructor(
    private readonly store: EventStore,
    private readonly catalogue: EventCatalogue,
    /** Where deciders that want it have their state kept; without it their streams are read as a whole, once by each process. */
    keep?: Keep,
  ) {
    this.streams = new LoadedStreams(store, catalogue, keep);
  }

  transact<S, C, E extends DomainEvent>(
    stream: string,
    decider: Decider<S, C, E>,
    command: C,
    context: CommandContext,
  ): Promise<Transacted<S, E>> {
    return this.turns.run(stream, () => this.decide(stream, decider, command, context));
  }

  private async decide<S, C, E extends DomainEvent>(
    stream: string,
    decider: Decider<S, C, E>,
    command: C,
    context: CommandContext,
  ): Promise<Transacted<S, E>> {
    for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
      const loaded = await this.streams.load(stream, decider);
      const { state, version } = loaded;
      const done = await this.streams.doneAt(stream, decider, loaded, context.commandId);
      if (done === 'unknown') continue;
      if (done !== undefined) return { kind: 'nothing', reason: 'already_done', state, position: done };
      const decision = decider.decide(command, state);
      if (decision.kind === 'reject') return { kind: 'refused', refusal: decision.refusal };
      if (decision.kind === 'nothing' || decision.events.length === 0) {
        const reason = decision.kind === 'nothing' ? decision.reason : 'no_change';
        return { kind: 'nothing', reason, state, ...(loaded.last === undefined ? {} : { position: loaded.last }) };
      }
      const events = decision.events.map((event, index) => this.envelope(stream, event, index, context));
      await failpoint('command.decided');
      const outcome = await this.store.append({ stream, expected: version === 0 ? 'no_stream' : version, events });
      await failpoint('command.appended');
      if (outcome.kind === 'conflict') continue;
      const next = decision.events.reduce((s, e) => decider.evolve(s, e), state);
      return { kind: 'accepted', state: next, events: decision.events, position: outcome.position };
    }
    return {
      kind: 'refused',
      refusal: refusal(409, 'too_much_contention', `${stream} is being changed by too many writers at once`, {
        hint: 'call again',
      }),
    };
  }

  /** The state of a stream now; undefined when the stream does not exist. */
  async read<S, E extends DomainEvent>(stream: string, decider: Fold<S, E>) {
    const { state, version } = await this.streams.load(stream, decider);
    return version === 0 ? undefined : { state, version };
  }

  private envelope(stream: string, event: DomainEvent, index: number, context: CommandContext): NewEvent {
    const definition = this.catalogue.get(event.type);
    if (definition === undefined) throw new Error(`event type ${event.type} is not in the catalogue`);
    return {
      id: deterministicUuid('event', context.commandId, stream, index),
      type: event.type,
      schemaVersion: definition.version,
      data: definition.schema.parse(event.data),
      meta: {
        accountId: context.accountId,
        actor: context.actor,
        commandId: context.commandId,
        correlationId: context.correlationId,
        causationId: context.causationId,
        occurredAt: isoTime(context.nowMs),
        severity: event.severity ?? definition.severity,
        links: event.links ?? {},
        topics: event.topics ?? [],
        ...(context.via === undefined ? {} : { via: context.via }),
      },
    };
  }
}

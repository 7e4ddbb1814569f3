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
import { Lru } from './lru.js';

export type Transacted<S, E extends DomainEvent> =
  | { readonly kind: 'accepted'; readonly state: S; readonly events: readonly E[]; readonly position: Position }
  /** The decider had nothing to do, or an earlier try of this very command already did it. */
  | { readonly kind: 'nothing'; readonly reason: string; readonly state: S; readonly position?: Position }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

export const TRANSACTOR = Symbol('Transactor');
const MAX_TRIES = 8;
/** Streams whose folded state is kept; longer streams than MAX_CACHED_EVENTS are folded anew to bound the memory. */
const CACHED_STREAMS = 2_000;
const MAX_CACHED_EVENTS = 5_000;

/** A stream folded up to `version`. */
interface Loaded<S> {
  readonly state: S;
  readonly version: number;
  readonly last: Position | undefined;
  /** Position of the last event of each command, so that a repeated command is recognised. */
  readonly commands: ReadonlyMap<string, Position>;
}

/**
 * Load, fold, decide, append; on a conflict load again and decide anew. The one way in which domain streams are written.
 * Commands of this process take turns on a stream (every name of an account is claimed on one), so that they only ever race
 * those of other processes. Throws EventStoreUnavailableError when the store is down; a lost race that never settles is a refusal (409).
 */
export class Transactor {
  /** By decider, because several may fold one stream into different states. */
  private readonly caches = new WeakMap<object, Lru<string, Loaded<unknown>>>();
  private readonly turns = new KeyedQueue();

  constructor(
    private readonly store: EventStore,
    private readonly catalogue: EventCatalogue,
  ) {}

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
      const loaded = await this.load(stream, decider);
      const { state, version } = loaded;
      const done = loaded.commands.get(context.commandId);
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
  async read<S, E extends DomainEvent>(stream: string, decider: Pick<Decider<S, never, E>, 'initial' | 'evolve'>) {
    const { state, version } = await this.load(stream, decider);
    return version === 0 ? undefined : { state, version };
  }

  /**
   * The stream as it is now. What was folded before is kept, but the store is always asked for what came after it, so a
   * decision never rests on an old state, whoever else writes.
   */
  private async load<S, E extends DomainEvent>(
    stream: string,
    decider: Pick<Decider<S, never, E>, 'initial' | 'evolve'>,
  ): Promise<Loaded<S>> {
    const cache = this.cacheOf(decider);
    const known = cache.get(stream) as Loaded<S> | undefined;
    let { state, version, last } = known ?? { state: decider.initial, version: 0, last: undefined };
    let commands: Map<string, Position> | undefined;
    for await (const event of this.store.readStream(stream, version + 1)) {
      const data = this.catalogue.upcast(event.type, event.schemaVersion, event.data);
      state = decider.evolve(state, { type: event.type, data } as unknown as E);
      version = event.version;
      last = event.position;
      (commands ??= new Map(known?.commands)).set(event.meta.commandId, event.position);
    }
    if (known !== undefined && commands === undefined) return known;
    const loaded: Loaded<S> = { state, version, last, commands: commands ?? new Map<string, Position>() };
    if (version > 0 && version <= MAX_CACHED_EVENTS) cache.set(stream, loaded);
    else cache.delete(stream);
    return loaded;
  }

  private cacheOf(decider: object): Lru<string, Loaded<unknown>> {
    let cache = this.caches.get(decider);
    if (cache === undefined) this.caches.set(decider, (cache = new Lru(CACHED_STREAMS)));
    return cache;
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

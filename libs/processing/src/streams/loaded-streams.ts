import { errorMessage, silentLog, type Decider, type DomainEvent, type EventCatalogue, type Log } from '#kernel';
import type { EventStore, Position } from '#event-store';
import { Lru } from '../lru.js';
import type { KeptState, KeptStates } from './kept-states.js';

/** Streams of one fold whose state is remembered. */
const STREAMS = 2_000;
/** Commands of one stream that are remembered as a matter of course. */
const COMMANDS = 5_000;
/** Of all longer streams together: about 150 bytes each. */
const COMMANDS_OF_LONG = 200_000;
/** A stream is kept beside the log when it has grown by as much since, so that nobody reads more than that and a little. */
const KEEP_EVERY = 1_000;

export interface Keep {
  readonly states: KeptStates;
  readonly every?: number;
  readonly log?: Log;
}

export type Fold<S, E extends DomainEvent> = Pick<Decider<S, never, E>, 'initial' | 'evolve' | 'kept'>;

/** A stream folded up to `version`. */
export interface Loaded<S> {
  readonly state: S;
  readonly version: number;
  readonly last: Position | undefined;
  readonly lastId: string | undefined;
  /** Position of the last event of each command after what is kept. Shared with what is loaded later: positions tell what is newer. */
  readonly commands: Map<string, Position>;
  /** Up to here the state came from what is kept beside the log; 0 when it did not. */
  readonly keptTo: number;
}

type ReadableStore = Pick<EventStore, 'readStream'>;

/**
 * Streams as they are now. What was folded before is remembered, but the store is always asked for what came after it, so that no
 * decision rests on an old state, whoever else writes.
 */
export class LoadedStreams {
  /** By fold, because several may fold one stream into different states. */
  private readonly short = new WeakMap<object, Lru<string, Loaded<unknown>>>();
  private readonly long = new Lru<string, Loaded<unknown>>(COMMANDS_OF_LONG, ({ commands }) => commands.size);
  /** Streams that are being loaded for the first time, by fold. */
  private readonly beginning = new WeakMap<object, Map<string, Promise<Loaded<unknown>>>>();
  private readonly keepingNow = new Set<string>();
  private readonly numbers = new WeakMap<object, number>();
  private folds = 0;
  private readonly log: Log;

  constructor(
    private readonly store: ReadableStore,
    private readonly catalogue: Pick<EventCatalogue, 'upcast'>,
    private readonly keeping?: Keep,
  ) {
    this.log = keeping?.log ?? silentLog;
  }

  async load<S, E extends DomainEvent>(stream: string, fold: Fold<S, E>): Promise<Loaded<S>> {
    const known = this.remembered(stream, fold);
    if (known !== undefined) return this.readOn(stream, fold, known);
    const beginning = this.beginningOf(fold);
    const others = beginning.get(stream) as Promise<Loaded<S>> | undefined;
    if (others === undefined) {
      const first = this.begin(stream, fold).finally(() => beginning.delete(stream));
      beginning.set(stream, first);
      return first;
    }
    const begun = await others;
    // It may have been read before that was written which this caller must see: the rest is asked for as ever.
    return this.readOn(stream, fold, this.remembered(stream, fold) ?? begun);
  }

  /** A long stream is read and kept by one of those who ask for it at once, not by each: it takes seconds, and a connection. */
  private async begin<S, E extends DomainEvent>(stream: string, fold: Fold<S, E>): Promise<Loaded<S>> {
    return this.readOn(stream, fold, (await this.fromKept(stream, fold)) ?? nothingOf(fold.initial));
  }

  private async readOn<S, E extends DomainEvent>(stream: string, fold: Fold<S, E>, known: Loaded<S>) {
    const loaded = await this.read(stream, fold, known);
    // Whoever waits for it has all commands at hand; who comes after it asks for the older ones.
    this.remember(stream, fold, loaded === known ? known : await this.keep(stream, fold, loaded));
    return loaded;
  }

  private beginningOf(fold: object): Map<string, Promise<Loaded<unknown>>> {
    let beginning = this.beginning.get(fold);
    if (beginning === undefined) this.beginning.set(fold, (beginning = new Map()));
    return beginning;
  }

  /** Where a command of this stream ended, if it was done by the time of what is loaded. */
  async doneAt<S, E extends DomainEvent>(
    stream: string,
    fold: Fold<S, E>,
    loaded: Loaded<S>,
    commandId: string,
  ): Promise<Position | 'unknown' | undefined> {
    const known = loaded.commands.get(commandId);
    if (known !== undefined && known <= loaded.last!) return known;
    if (loaded.keptTo === 0) return undefined;
    const kept = await this.keeping!.states.positionOf(stream, fold.kept!.name, commandId, loaded.keptTo);
    if (kept !== 'gone') return kept !== undefined && kept <= loaded.last! ? kept : undefined;
    this.forget(stream, fold);
    return 'unknown';
  }

  private async read<S, E extends DomainEvent>(stream: string, fold: Fold<S, E>, known: Loaded<S>): Promise<Loaded<S>> {
    let { state, version, last, lastId } = known;
    for await (const event of this.store.readStream(stream, version + 1)) {
      const data = this.catalogue.upcast(event.type, event.schemaVersion, event.data);
      state = fold.evolve(state, { type: event.type, data } as unknown as E);
      version = event.version;
      last = event.position;
      lastId = event.id;
      known.commands.set(event.meta.commandId, event.position);
    }
    return version === known.version ? known : { ...known, state, version, last, lastId };
  }

  /** Looked at only where the log still has the event at which it ends. */
  private async fromKept<S, E extends DomainEvent>(stream: string, fold: Fold<S, E>): Promise<Loaded<S> | undefined> {
    const found = await this.foundKept(stream, fold);
    if (found === undefined) return undefined;
    const { version, position: last, eventId: lastId, state } = found;
    for await (const event of this.store.readStream(stream, version)) {
      if (event.id !== lastId) break;
      return { state, version, last, lastId, commands: new Map(), keptTo: version };
    }
    this.log.warn({ stream, version }, 'what was kept of this stream is of another log: it is read as a whole');
    return undefined;
  }

  private async foundKept<S, E extends DomainEvent>(stream: string, { kept }: Fold<S, E>) {
    if (kept === undefined || this.keeping === undefined) return undefined;
    try {
      const found = await this.keeping.states.load(stream, kept.name);
      const state = found && kept.revive(found.state);
      return state && { ...(found as KeptState), state };
    } catch (error) {
      this.log.warn(
        { stream, error: errorMessage(error) },
        'what was kept of this stream cannot be read: all of it is',
      );
      return undefined;
    }
  }

  /** What is kept from now on has its commands beside the log, and no more here. */
  private async keep<S, E extends DomainEvent>(stream: string, fold: Fold<S, E>, loaded: Loaded<S>) {
    const { kept } = fold;
    const { state, version, last, lastId, commands, keptTo } = loaded;
    if (kept === undefined || this.keeping === undefined) return loaded;
    const { states, every = KEEP_EVERY } = this.keeping;
    if (version - keptTo < every) return loaded;
    const from = keptTo === 0 ? undefined : keptTo;
    const key = this.longKey(stream, fold);
    // Somebody is about it: nobody else needs a connection to wait for the same.
    if (this.keepingNow.has(key)) return loaded;
    this.keepingNow.add(key);
    try {
      await states.save(stream, kept.name, { version, position: last!, eventId: lastId!, state, from, commands });
    } catch (error) {
      this.log.warn({ stream, error: errorMessage(error) }, 'a long stream could not be kept beside the log');
      return loaded;
    } finally {
      this.keepingNow.delete(key);
    }
    return { ...loaded, commands: new Map<string, Position>(), keptTo: version };
  }

  private remembered<S, E extends DomainEvent>(stream: string, fold: Fold<S, E>): Loaded<S> | undefined {
    return (this.shortOf(fold).get(stream) ?? this.long.get(this.longKey(stream, fold))) as Loaded<S> | undefined;
  }

  private remember<S, E extends DomainEvent>(stream: string, fold: Fold<S, E>, loaded: Loaded<S>): void {
    if (loaded.version === 0) return;
    if (loaded.commands.size <= COMMANDS) return this.shortOf(fold).set(stream, loaded);
    this.shortOf(fold).delete(stream);
    this.long.set(this.longKey(stream, fold), loaded);
  }

  private forget<S, E extends DomainEvent>(stream: string, fold: Fold<S, E>): void {
    this.shortOf(fold).delete(stream);
    this.long.delete(this.longKey(stream, fold));
  }

  private shortOf(fold: object): Lru<string, Loaded<unknown>> {
    let short = this.short.get(fold);
    if (short === undefined) this.short.set(fold, (short = new Lru(STREAMS)));
    return short;
  }

  private longKey(stream: string, fold: object): string {
    let number = this.numbers.get(fold);
    if (number === undefined) this.numbers.set(fold, (number = ++this.folds));
    return `${number} ${stream}`;
  }
}

const nothingOf = <S>(initial: S): Loaded<S> => ({
  ...{ state: initial, version: 0, last: undefined, lastId: undefined, keptTo: 0 },
  commands: new Map<string, Position>(),
});

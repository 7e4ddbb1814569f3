import type { RawEvent } from './messages.js';

type IdAt = Pick<RawEvent, 'id' | 'revision'>;

/** About 100 bytes each. */
const MAX_IDS = 200_000;

/**
 * Which event ids a stream has. The server looks ids up only where an append expects them, so a repeat that expects
 * something else (a newer version, or anything) would be written twice. A stream only grows: what is known stays true.
 * Streams not used for long are forgotten and read again when needed; who holds one meanwhile goes on with what it holds.
 */
export class KnownIds {
  private readonly streams = new Map<string, StreamIds>();
  private size = 0;

  constructor(private readonly limit = MAX_IDS) {}

  /** Of streams held here. */
  get count(): number {
    return this.streams.size;
  }

  of(stream: string): StreamIds {
    const ids = this.streams.get(stream);
    // A stream that has no events, as far as is known, needs no remembering.
    if (ids === undefined) return new StreamIds(stream);
    this.streams.delete(stream);
    this.streams.set(stream, ids);
    return ids;
  }

  /** Only what continues what is known is taken in. */
  learn(ids: StreamIds, events: readonly IdAt[]): void {
    const isNew = ids.through === 0;
    const added = ids.add(events);
    if (isNew && added > 0 && !this.streams.has(ids.stream)) this.streams.set(ids.stream, ids);
    if (this.streams.get(ids.stream) !== ids) return;
    this.size += added;
    for (const [name, oldest] of this.streams) {
      if (this.size <= this.limit || oldest === ids) return;
      this.streams.delete(name);
      this.size -= oldest.through;
    }
  }
}

/** The ids of a stream's events, from its first on without a gap. */
export class StreamIds {
  private readonly versions = new Map<string, number>();
  private known = 0;

  constructor(readonly stream: string) {}

  /** The version up to which all ids are known. */
  get through(): number {
    return this.known;
  }

  /** Undefined when the id is not among them. */
  versionOf(id: string): number | undefined {
    return this.versions.get(id);
  }

  /** Answers how many were new. */
  add(events: readonly IdAt[]): number {
    const before = this.known;
    for (const { id, revision } of events) if (revision === this.known) this.versions.set(id, ++this.known);
    return this.known - before;
  }
}

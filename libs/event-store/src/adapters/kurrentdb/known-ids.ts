import type { RawEvent } from './messages.js';

/** The ids of a stream's events, from its first on without a gap. */
export interface StreamIds {
  /** The version up to which all ids are known. */
  readonly through: number;
  /** Undefined when the id is not among them. */
  versionOf(id: string): number | undefined;
}

/** About 100 bytes each. */
const MAX_IDS = 200_000;

/**
 * Which event ids a stream has. The server looks ids up only where an append expects them, so a repeat that expects
 * something else (a newer version, or anything) would be written twice. A stream only grows: what is known stays true.
 * Streams not used for long are forgotten and read again when needed.
 */
export class KnownIds {
  private readonly streams = new Map<string, Ids>();
  private size = 0;

  constructor(private readonly limit = MAX_IDS) {}

  of(stream: string): StreamIds {
    return this.touch(stream);
  }

  /** Only what continues what is known is taken in. */
  learn(stream: string, events: readonly Pick<RawEvent, 'id' | 'revision'>[]): void {
    const ids = this.touch(stream);
    this.size += ids.add(events);
    for (const [name, oldest] of this.streams) {
      if (this.size <= this.limit || oldest === ids) return;
      this.streams.delete(name);
      this.size -= oldest.through;
    }
  }

  private touch(stream: string): Ids {
    const ids = this.streams.get(stream) ?? new Ids();
    this.streams.delete(stream);
    this.streams.set(stream, ids);
    return ids;
  }
}

class Ids implements StreamIds {
  private readonly versions = new Map<string, number>();
  through = 0;

  versionOf(id: string): number | undefined {
    return this.versions.get(id);
  }

  add(events: readonly Pick<RawEvent, 'id' | 'revision'>[]): number {
    const before = this.through;
    for (const { id, revision } of events) {
      if (revision !== this.through) continue;
      this.through++;
      this.versions.set(id, this.through);
    }
    return this.through - before;
  }
}

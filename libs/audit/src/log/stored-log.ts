import { canonicalJson } from '#kernel';
import { position, type EventStore, type RecordedEvent } from '#event-store';

/** An event as what was hashed of it. */
export interface StoredEvent {
  readonly position: bigint;
  /** ISO 8601, milliseconds. */
  readonly recordedAt: string;
  readonly id: string;
  readonly account: string;
  /** The canonical JSON of {account, data, id, meta, schemaVersion, stream, type, version}; these bytes are hashed. */
  readonly envelope: string;
  /** Hex; only where the store keeps a chain of its own. */
  readonly chain?: string;
}

/** The log as auditors need it: stored bytes in order, never brought to a newer schema. */
export interface StoredLog {
  /** Every event carries the chain hash that the store itself computed. */
  readonly nativeChain: boolean;
  head(): Promise<bigint>;
  /** Events after a position, in order: at most `limit`, none beyond `through`, and no more than a few MiB. Empty: there are no more. */
  read(after: bigint, limit: number, through?: bigint): Promise<readonly StoredEvent[]>;
  /** Where the store can look an event up by its id. */
  readonly find?: (eventId: string) => Promise<StoredEvent | undefined>;
}

/** The bytes that are hashed of an event, on every store the same. */
export const envelopeOf = ({ id, stream, version, type, schemaVersion, data, meta }: RecordedEvent): string =>
  canonicalJson({ account: meta.accountId, data, id, meta, schemaVersion, stream, type, version });

const PAGE = 500;

/** Over the port, for stores that keep no chain: envelopes are made canonical again, whatever the store does with JSON. */
export class PortStoredLog implements StoredLog {
  readonly nativeChain = false;

  constructor(private readonly store: Pick<EventStore, 'readAll' | 'head'>) {}

  head(): Promise<bigint> {
    return this.store.head();
  }

  async read(after: bigint, limit: number, through?: bigint): Promise<readonly StoredEvent[]> {
    for (let at = after; ;) {
      const batch = await this.store.readAll(position(at), { limit: Math.min(limit, PAGE) });
      const events = batch.events.filter((event) => through === undefined || event.position <= through);
      if (events.length > 0) return events.map(stored);
      if (batch.through <= at || (through !== undefined && batch.through >= through)) return [];
      at = batch.through;
    }
  }
}

const stored = (event: RecordedEvent): StoredEvent => ({
  position: event.position,
  recordedAt: event.recordedAt,
  id: event.id,
  account: event.meta.accountId,
  envelope: envelopeOf(event),
});

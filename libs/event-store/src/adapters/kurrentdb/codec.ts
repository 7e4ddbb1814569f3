import { isoTime } from '#kernel';
import type { Payload } from '../../append-rules.js';
import { position, type EventMeta, type NewEvent, type Position, type RecordedEvent } from '../../port.js';
import type { RawEvent } from './messages.js';

/** What stands beside the payload. `notBefore` carries what the writer knew of the log's time when it wrote. */
interface Beside {
  readonly by?: string;
  readonly meta: EventMeta;
  readonly notBefore: number;
  readonly schemaVersion: number;
}

export interface Proposal {
  readonly id: string;
  readonly type: string;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

/**
 * The canonical bytes, as they are: as JSON the client would write them anew and put integer-like keys first. `by` names
 * the attempt, so that its writer can tell its own event from the twin of another process.
 */
export const propose = (event: NewEvent, payload: Payload, by: string, notBeforeMs: number): Proposal => ({
  id: event.id,
  type: event.type,
  data: bytes(payload.data),
  metadata: bytes(
    `{"by":${JSON.stringify(by)},"meta":${payload.meta},"notBefore":${notBeforeMs},"schemaVersion":${event.schemaVersion}}`,
  ),
});

// The client tells bytes from objects by their constructor, and a Buffer is not one of those it knows.
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

const UNKNOWN_POSITION = 2n ** 64n - 1n;

/**
 * The server reads from the very positions of its records and from no number between. So that "just before this event"
 * (its position less one) is a place too, a position here is twice the server's, plus one.
 */
export const placeOf = (commit: bigint): Position => position(commit * 2n + 1n);

/** Where the server has to begin for what comes after a position: at that record, which itself counts only before its place. */
export const commitOf = (place: Position): bigint => place >> 1n;

export const positionOf = (raw: RawEvent): Position => {
  if (raw.position !== UNKNOWN_POSITION) return placeOf(raw.position);
  throw new Error('this KurrentDB server does not tell the position of events in a stream; 22.10 or later does');
};

/** The server's time, unless its clock stood behind what the log said already: a function of this event alone. */
export const recordedMs = (raw: RawEvent): number => Math.max(raw.createdMs, besideOf(raw).notBefore);

export const attemptOf = (raw: RawEvent): string | undefined => besideOf(raw).by;

export const recordedEvent = (raw: RawEvent, namespace: string): RecordedEvent => {
  const { meta, schemaVersion, notBefore } = besideOf(raw);
  return {
    id: raw.id,
    type: raw.type,
    schemaVersion,
    data: parsed(raw, raw.data) as Record<string, unknown>,
    meta,
    stream: raw.stream.slice(namespace.length),
    version: raw.revision + 1,
    position: positionOf(raw),
    recordedAt: isoTime(Math.max(raw.createdMs, notBefore)),
  };
};

const besideOf = (raw: RawEvent): Beside => {
  const beside = parsed(raw, raw.metadata) as Partial<Beside> | null;
  if (beside?.meta === undefined || typeof beside.schemaVersion !== 'number') throw foreign(raw);
  return { ...beside, meta: beside.meta, schemaVersion: beside.schemaVersion, notBefore: beside.notBefore ?? 0 };
};

const parsed = (raw: RawEvent, content: Uint8Array): unknown => {
  try {
    return JSON.parse(Buffer.from(content.buffer, content.byteOffset, content.length).toString('utf8'));
  } catch {
    throw foreign(raw);
  }
};

const foreign = (raw: RawEvent): Error =>
  new Error(`event ${raw.revision} of stream ${raw.stream} (${raw.type}, position ${raw.position}) is not Drover's`);

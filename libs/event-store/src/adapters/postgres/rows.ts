import { isoTime } from '#kernel';
import { position, type EventMeta, type RecordedEvent } from '../../port.js';

export interface EventRow {
  readonly position: string;
  readonly recorded_ms: string;
  readonly envelope: string;
}

export interface Envelope {
  readonly account: string;
  readonly data: Record<string, unknown>;
  readonly id: string;
  readonly meta: EventMeta;
  readonly schemaVersion: number;
  readonly stream: string;
  readonly type: string;
  readonly version: number;
}

/** The envelope is what was hashed; only position and time of recording come from beside it. */
export const recordedEvent = (row: EventRow): RecordedEvent => {
  const { id, stream, version, type, schemaVersion, data, meta } = JSON.parse(row.envelope) as Envelope;
  const recordedAt = isoTime(Number(row.recorded_ms));
  return { id, stream, version, type, schemaVersion, data, meta, position: position(row.position), recordedAt };
};

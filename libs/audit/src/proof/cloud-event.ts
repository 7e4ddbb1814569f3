import { canonicalJson } from '#kernel';

/** What an export or a proof carries of an event: CloudEvents 1.0, JSON format. Extension names are lower case by that standard. */
export type CloudEvent = Readonly<Record<string, unknown>>;

export const LOG_SOURCE = 'urn:drover:log';
export const AUDIT_SOURCE = 'urn:drover:audit';

/** Attributes that stand for a text of the event's meta. What has no attribute stays in `eventmeta`. */
const ATTRIBUTES = [
  ['occurredAt', 'time'],
  ['accountId', 'accountid'],
  ['commandId', 'commandid'],
  ['correlationId', 'correlationid'],
  ['causationId', 'causationid'],
  ['severity', 'severity'],
] as const;
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

interface Envelope {
  readonly account: string;
  readonly data: unknown;
  readonly id: string;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly schemaVersion: number;
  readonly stream: string;
  readonly type: string;
  readonly version: number;
}

const isAttribute = (name: string, value: unknown): value is string =>
  typeof value === 'string' && value !== '' && (name !== 'occurredAt' || TIMESTAMP.test(value));

/** The event with nothing lost: `hashedEvent` makes the hashed bytes again. */
export const cloudEvent = (event: {
  readonly position: bigint;
  readonly recordedAt: string;
  readonly envelope: string;
}): CloudEvent => {
  const envelope = JSON.parse(event.envelope) as Envelope;
  const rest = { ...envelope.meta };
  const attributes: Record<string, string> = {};
  for (const [name, attribute] of ATTRIBUTES) {
    const value = envelope.meta[name];
    if (!isAttribute(name, value)) continue;
    attributes[attribute] = value;
    delete rest[name];
  }
  return {
    specversion: '1.0',
    id: envelope.id,
    source: LOG_SOURCE,
    type: envelope.type,
    subject: envelope.stream,
    ...attributes,
    datacontenttype: 'application/json',
    sequence: String(event.position),
    recordedtime: event.recordedAt,
    streamversion: envelope.version,
    schemaversion: envelope.schemaVersion,
    eventmeta: canonicalJson(rest),
    data: envelope.data,
  };
};

export interface HashedEvent {
  readonly position: bigint;
  readonly recordedAt: string;
  readonly account: string;
  readonly envelope: string;
}

/** What was hashed of an exported event; undefined when it is no event of ours. */
export const hashedEvent = (event: CloudEvent): HashedEvent | undefined => {
  const { sequence, recordedtime, eventmeta, accountid } = event;
  if (typeof sequence !== 'string' || !/^\d{1,19}$/.test(sequence)) return undefined;
  if (typeof recordedtime !== 'string' || !TIMESTAMP.test(recordedtime)) return undefined;
  const meta = typeof eventmeta === 'string' ? asObject(eventmeta) : undefined;
  if (meta === undefined || event.specversion !== '1.0' || event.source !== LOG_SOURCE) return undefined;
  for (const [name, attribute] of ATTRIBUTES) if (event[attribute] !== undefined) meta[name] = event[attribute];
  const account = typeof accountid === 'string' ? accountid : '';
  const envelope = {
    ...{ account, data: event.data, id: event.id, meta, schemaVersion: event.schemaversion },
    ...{ stream: event.subject, type: event.type, version: event.streamversion },
  };
  return { position: BigInt(sequence), recordedAt: recordedtime, account, envelope: canonicalJson(envelope) };
};

const asObject = (text: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
};

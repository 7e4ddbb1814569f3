import { errorMessage } from '#kernel';
import { InvalidAppendError, MAX_EVENT_BYTES, type AppendRequest, type Expected, type NewEvent } from './port.js';
import { quickCanonicalJson } from './quick-canonical.js';

/** category-rest, split at the first dash; the rest is up to 200 characters of any script, but no half of one. */
const STREAM_NAME = /^[a-z][a-z0-9_]*-[^\s$\p{Cc}\p{Cs}]{1,200}$/u;
const MALFORMED = /[\0\p{Cs}]/u;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const EVENT_TYPE = /^[A-Za-z][A-Za-z0-9_.:-]{0,199}$/;

/** The canonical JSON of an event's data and meta: made once, for the size check and for storing. */
export interface Payload {
  readonly data: string;
  readonly meta: string;
}

/** Refuses what no adapter may accept, so that every adapter refuses the same. */
export const checkAppend = (request: AppendRequest): readonly Payload[] => {
  if (!STREAM_NAME.test(request.stream)) {
    throw new InvalidAppendError(`stream name ${JSON.stringify(request.stream)} must be category-rest`);
  }
  if (request.events.length === 0) throw new InvalidAppendError('an append needs at least one event');
  if (typeof request.expected === 'number' && !(Number.isSafeInteger(request.expected) && request.expected >= 0)) {
    throw new InvalidAppendError(`expected version must be a non-negative integer, got ${request.expected}`);
  }
  if (new Set(request.events.map((e) => e.id)).size !== request.events.length) {
    throw new InvalidAppendError('two events of one append have the same id');
  }
  return request.events.map(checkEvent);
};

/** `{"data":…,"meta":…}` without what stands for the dots. */
const WRAPPING_BYTES = 17;

const checkEvent = (event: NewEvent): Payload => {
  if (!UUID.test(event.id))
    throw new InvalidAppendError(`event id ${JSON.stringify(event.id)} must be a lower-case uuid`);
  if (!EVENT_TYPE.test(event.type))
    throw new InvalidAppendError(`event type ${JSON.stringify(event.type)} is not a name`);
  if (!Number.isInteger(event.schemaVersion) || event.schemaVersion < 1 || event.schemaVersion > 0x7fff_ffff) {
    throw new InvalidAppendError(
      `schema version of ${event.type} must be a positive integer, got ${event.schemaVersion}`,
    );
  }
  const { accountId } = event.meta;
  if (MALFORMED.test(accountId)) throw new InvalidAppendError('malformed account id');
  const payload = toPayload(event);
  if (Buffer.byteLength(payload.data) + Buffer.byteLength(payload.meta) + WRAPPING_BYTES > MAX_EVENT_BYTES) {
    throw new InvalidAppendError(`event ${event.type} is larger than ${MAX_EVENT_BYTES} bytes`);
  }
  return payload;
};

const toPayload = (event: NewEvent): Payload => {
  try {
    return { data: quickCanonicalJson(event.data), meta: quickCanonicalJson(event.meta) };
  } catch (cause) {
    throw new InvalidAppendError(`event ${event.type} has no JSON form: ${errorMessage(cause)}`, { cause });
  }
};

/** An event's id is in the log, yet the append is not the retry of an earlier one: a bug in how the caller makes ids. */
export const idReused = (stream: string): InvalidAppendError =>
  new InvalidAppendError(`an event id of this append to ${stream} is in the log already, but the append is no retry`);

export const expectationHolds = (expected: Expected, actualVersion: number): boolean => {
  if (expected === 'any') return true;
  if (expected === 'no_stream') return actualVersion === 0;
  if (expected === 'stream_exists') return actualVersion > 0;
  return expected === actualVersion;
};

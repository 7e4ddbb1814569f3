import { canonicalJson } from '#kernel';
import { InvalidAppendError, MAX_EVENT_BYTES, type AppendRequest, type Expected } from './port.js';

const STREAM_NAME = /^[a-z][a-z0-9_]*-[^\s$]{1,200}$/u;

/** Refuses what no adapter may accept, so that every adapter refuses the same. */
export const checkAppend = (request: AppendRequest): void => {
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
  for (const event of request.events) {
    if (Buffer.byteLength(canonicalJson({ data: event.data, meta: event.meta })) > MAX_EVENT_BYTES) {
      throw new InvalidAppendError(`event ${event.type} is larger than ${MAX_EVENT_BYTES} bytes`);
    }
  }
};

export const expectationHolds = (expected: Expected, actualVersion: number): boolean => {
  if (expected === 'any') return true;
  if (expected === 'no_stream') return actualVersion === 0;
  if (expected === 'stream_exists') return actualVersion > 0;
  return expected === actualVersion;
};

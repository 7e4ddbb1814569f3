import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { assertNever, errorMessage, RefusedError, type Log, type Refusal } from '#kernel';
import type { agentV1 } from '#proto';
import { callError } from './peer.js';

const codeOf = (http: Refusal['status']): status => {
  switch (http) {
    case 400:
    case 422:
      return status.INVALID_ARGUMENT;
    case 401:
      return status.UNAUTHENTICATED;
    case 403:
      return status.PERMISSION_DENIED;
    case 404:
      return status.NOT_FOUND;
    case 409:
    case 410:
      return status.FAILED_PRECONDITION;
    case 413:
    case 429:
      return status.RESOURCE_EXHAUSTED;
    case 503:
      return status.UNAVAILABLE;
    default:
      return assertNever(http);
  }
};

/** The metadata key under which a call's error carries the whole refusal as JSON. */
export const REFUSAL_KEY = 'drover-refusal-bin';

/** As the HTTP header of that name: seconds until a call that was one too many is worth repeating. */
export const RETRY_AFTER_KEY = 'retry-after';
/** Where nobody knows better: a seat is free when another consumer leaves. */
const RETRY_AFTER_S = 5;

/** A refusal becomes a status with its code and message; anything else is ours, and its message stays in the log. */
export const toServiceError = (error: unknown, log: Log, call: string): ServiceError => {
  if (error instanceof RefusedError) {
    const { refusal } = error;
    const metadata = new Metadata();
    metadata.set(REFUSAL_KEY, Buffer.from(JSON.stringify(refusal)));
    if (refusal.status === 429) metadata.set(RETRY_AFTER_KEY, String(error.retryAfterS ?? RETRY_AFTER_S));
    const field = refusal.field === undefined ? '' : ` (field ${refusal.field})`;
    const hint = refusal.hint === undefined ? '' : `; ${refusal.hint}`;
    return callError(codeOf(refusal.status), `${refusal.code}: ${refusal.message}${field}${hint}`, metadata);
  }
  log.error({ call, error: errorMessage(error) }, 'call failed');
  const unavailable = error instanceof Error && error.name === 'EventStoreUnavailableError';
  return unavailable
    ? callError(status.UNAVAILABLE, 'the event store does not answer; try again')
    : callError(status.INTERNAL, 'the platform failed on this call; its log says why');
};

export const phaseRefusal = (refusal: Refusal): agentV1.PhaseRefusal => ({
  code: refusal.code,
  message: refusal.message,
  status: refusal.status,
  hint: refusal.hint ?? '',
  field: refusal.field ?? '',
  candidates: (refusal.candidates ?? []).map(({ id, name }) => (name === undefined ? id : `${id} (${name})`)),
});

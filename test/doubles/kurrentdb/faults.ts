import { Metadata, status, type ServiceError } from '@grpc/grpc-js';

/** An error as the server sends it: a status and, in the trailers, what the client makes its typed error from. */
export const rpcError = (
  code: status,
  message: string,
  trailers: Readonly<Record<string, string>> = {},
): ServiceError => {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(trailers)) metadata.set(key, value);
  return Object.assign(new Error(message), { code, details: message, metadata });
};

export const accessDenied = (): ServiceError =>
  rpcError(status.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' });
export const notAuthenticated = (): ServiceError => rpcError(status.UNAUTHENTICATED, 'Bad HTTP status code: 401');
export const invalidPosition = (): ServiceError =>
  rpcError(status.INVALID_ARGUMENT, 'Trying to read from an invalid position.');
export const serverBusy = (): ServiceError => rpcError(status.UNAVAILABLE, 'Server Is Too Busy');
export const appendTooLarge = (limit: number): ServiceError =>
  rpcError(status.INVALID_ARGUMENT, `Maximum Append Size of ${limit} Exceeded.`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(limit),
  });

/** What a test makes go wrong. Each may be changed while the server runs. */
export interface Faults {
  /** Every call is answered "Server Is Too Busy". */
  busy: boolean;
  /** The next so many appends are written, and the connection is cut before the answer: the outcome is unknown. */
  loseAnswers: number;
  /** The next so many appends are never answered at all. */
  swallowAppends: number;
  /** Added to the server's clock, in milliseconds. */
  clockOffsetMs: number;
  /** Runs before each append is judged, so that a test can put another writer in between. */
  beforeAppend?: (stream: string) => void;
}

export const noFaults = (): Faults => ({ busy: false, loseAnswers: 0, swallowAppends: 0, clockOffsetMs: 0 });

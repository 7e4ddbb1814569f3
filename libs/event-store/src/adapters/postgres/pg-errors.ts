import pg from 'pg';
import { errorMessage } from '#kernel';
import { EventStoreUnavailableError, InvalidAppendError } from '../../port.js';

/**
 * What an error of pg means for a writer. `lost`: the connection is gone and the outcome of what was sent is unknown;
 * `busy`: the server refused for now (full, shutting down, deadlock, timeout); `rejected`: this input will never work.
 */
export type PgFailure = 'lost' | 'busy' | 'rejected';

/** 53 resources, 57 operator intervention, 58 system, 40 rollback, 55 locks, 25 wrong state (read-only), XX internal. */
const BUSY_CLASSES = new Set(['53', '58', '40', '55', '25', 'XX']);

export const classify = (error: unknown): PgFailure => {
  // Only the server's own errors carry an SQLSTATE; "EPIPE" of a socket has five letters too.
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return 'lost';
  const { code } = error;
  if (code.startsWith('08') || code.startsWith('57P')) return 'lost';
  return BUSY_CLASSES.has(code.slice(0, 2)) || code.startsWith('57') ? 'busy' : 'rejected';
};

export const unavailable = (doing: string, cause: unknown): EventStoreUnavailableError =>
  cause instanceof EventStoreUnavailableError
    ? cause
    : new EventStoreUnavailableError(`the event store cannot ${doing} now: ${errorMessage(cause)}`, { cause });

export const rejected = (stream: string, cause: unknown): InvalidAppendError =>
  new InvalidAppendError(`append to ${stream} refused by the database: ${errorMessage(cause)}`, { cause });

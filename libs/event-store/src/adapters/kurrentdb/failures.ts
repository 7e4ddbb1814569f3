import { errorMessage } from '#kernel';
import { EventStoreUnavailableError, InvalidAppendError } from '../../port.js';
import type { KurrentAddress } from './connection-string.js';

/** What every shape of the client's errors has in common: its own classes, plain gRPC errors, and untyped ones. */
interface AnyFailure {
  readonly code?: unknown;
  readonly type?: unknown;
  readonly actualState?: unknown;
  readonly maxAppendSize?: unknown;
  readonly metadata?: { get(key: string): readonly unknown[] };
}

const GRPC = { cancelled: 1, invalidArgument: 3, permissionDenied: 7, unauthenticated: 16 } as const;

const kindOf = (error: unknown): { code: unknown; type: unknown } => {
  const { code, type, metadata } = (error ?? {}) as AnyFailure;
  return { code, type: type ?? metadata?.get?.('exception')[0] };
};

/** The stream's version that the server found, when it refused an append for that; undefined for any other failure. */
export const wrongExpectedVersion = (error: unknown): number | undefined => {
  if (kindOf(error).type !== 'wrong-expected-version') return undefined;
  const { actualState } = error as AnyFailure;
  return typeof actualState === 'bigint' ? Number(actualState) + 1 : 0;
};

export const isCancelledByUs = (error: unknown): boolean =>
  kindOf(error).code === GRPC.cancelled && errorMessage(error).includes('Cancelled on client');

const TLS = /certificate|self.signed|SSL|TLS|ERR_TLS|wrong version number|EPROTO/i;

/** What is wrong, in words, with what to do about it; the password is never part of it. */
const explain = (error: unknown, { where, user, tls, hide }: KurrentAddress): string => {
  const { code, type } = kindOf(error);
  const said = hide(errorMessage(error)).replace(/\s+/g, ' ').trim();
  const text = said.replace(/ ?Resolution note:$/, '') || 'no reason given';
  const who = user === undefined ? 'nobody (the URL names no user)' : `user ${user}`;
  if (code === GRPC.unauthenticated) return `KurrentDB at ${where} refuses ${who}: name or password is wrong (${text})`;
  if (type === 'access-denied' || code === GRPC.permissionDenied)
    return `KurrentDB at ${where} refuses ${who}: Drover must read $all and write streams, as members of $admins may (${text})`;
  if (TLS.test(text))
    return `KurrentDB at ${where} cannot be trusted: ${text} (tlsCaFile=PATH names its authority${tls ? '; tls=false speaks without TLS' : ''})`;
  return `KurrentDB at ${where} cannot be used now: ${text}`;
};

/** Everything that is not the caller's own mistake: down, busy, refusing, without a leader. The same request may be tried again. */
export const unavailable = (error: unknown, address: KurrentAddress): EventStoreUnavailableError =>
  error instanceof EventStoreUnavailableError ? error : new EventStoreUnavailableError(explain(error, address));

/** What no retry makes good; undefined when a retry may. */
export const rejection = (error: unknown, stream: string, address: KurrentAddress): Error | undefined => {
  const { code, type } = kindOf(error);
  if (type === 'maximum-append-size-exceeded' || type === 'append-record-size-exceeded') {
    const limit = (error as AnyFailure).maxAppendSize;
    return new InvalidAppendError(
      `append to ${stream} is larger than KurrentDB at ${address.where} takes` +
        `${limit === undefined ? '' : ` (MaxAppendSize ${String(limit)})`}; raise MaxAppendSize on the server`,
    );
  }
  if (type === 'stream-deleted' || type === 'stream-tombstoned')
    return new InvalidAppendError(`stream ${stream} was deleted on KurrentDB at ${address.where}`);
  if (code === GRPC.invalidArgument)
    return new Error(`KurrentDB at ${address.where} refuses the request: ${address.hide(errorMessage(error))}`);
  return undefined;
};

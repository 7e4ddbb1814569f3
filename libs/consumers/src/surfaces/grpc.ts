import { constants } from 'node:http2';
import {
  Metadata,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { refusal, RefusedError, type Log, type Refusal, type Severity } from '#kernel';
import type { LoginLimits } from '#access';
import { toServiceError } from '#agent-gateway';
import { eventsV1 } from '#proto';
import type { ConsumerEvent, Encoding } from '../feed/entry.js';
import type { EventStream } from '../event-stream.js';
import type { Wire } from '../subscription/wire.js';
import { bearerToken } from './bearer.js';

const SEVERITY: Readonly<Record<Severity, eventsV1.Severity>> = {
  info: eventsV1.Severity.SEVERITY_INFO,
  warning: eventsV1.Severity.SEVERITY_WARNING,
  high: eventsV1.Severity.SEVERITY_HIGH,
  critical: eventsV1.Severity.SEVERITY_CRITICAL,
};
const SEVERITY_NAMES = new Map(Object.entries(SEVERITY).map(([name, value]) => [value, name]));

const encoded = (response: eventsV1.SubscribeResponse): Buffer =>
  Buffer.from(eventsV1.SubscribeResponse.encode(response).finish());

export const eventMessage = (view: ConsumerEvent): eventsV1.Event => ({
  id: view.id,
  kind: view.kind,
  payload: { ...view.payload },
  severity: SEVERITY[view.severity as Severity],
  links: { ...view.links } as Record<string, string>,
  occurredAt: new Date(view.occurred_at),
  recordedAt: new Date(view.recorded_at),
  correlationId: view.correlation_id,
  actor: view.actor,
  accountId: view.account_id,
  stream: view.stream,
});

export const grpcEncoding: Encoding = {
  name: 'grpc',
  event: ({ view }, cursor) => encoded({ cursor, message: { $case: 'event', value: eventMessage(view) } }),
  checkpoint: (cursor, live) => encoded({ cursor, message: { $case: 'checkpoint', value: { live } } }),
};

/** As generated, but Subscribe takes messages that are encoded already. */
export const eventsServiceDefinition: ServiceDefinition = {
  ...eventsV1.EventsServiceService,
  subscribe: { ...eventsV1.EventsServiceService.subscribe, responseSerialize: (bytes: Buffer): Buffer => bytes },
};

type Call = ServerWritableStream<eventsV1.SubscribeRequest, eventsV1.SubscribeResponse>;

const badEnum = (field: string, value: number, names: readonly string[]): RefusedError =>
  new RefusedError(
    refusal(400, 'invalid_parameter', `${field}: ${value} is not known here`, {
      field,
      hint: `one of ${names.join(', ')}`,
      candidates: names.map((id) => ({ id })),
    }),
  );

const fromOf = (from: eventsV1.From): 'beginning' | 'now' => {
  switch (from) {
    case eventsV1.From.FROM_UNSPECIFIED:
    case eventsV1.From.FROM_BEGINNING:
      return 'beginning';
    case eventsV1.From.FROM_NOW:
      return 'now';
    default:
      throw badEnum('from', from, ['FROM_BEGINNING', 'FROM_NOW']);
  }
};

const severityOf = (severity: eventsV1.Severity): string => {
  if (severity === eventsV1.Severity.SEVERITY_UNSPECIFIED) return 'info';
  const name = SEVERITY_NAMES.get(severity);
  if (name === undefined)
    throw badEnum(
      'severity',
      severity,
      [...SEVERITY_NAMES.values()].map((n) => `SEVERITY_${n.toUpperCase()}`),
    );
  return name;
};

const given = (request: eventsV1.SubscribeRequest): Record<string, unknown> => ({
  kind_prefix: request.kindPrefix,
  stream: request.stream,
  subject: request.subject,
  from: fromOf(request.from),
  severity: severityOf(request.severity),
  ...(request.after === '' ? {} : { after: request.after }),
  ...(request.account === '' ? {} : { account: request.account }),
  ...(request.checkpointSeconds === 0 ? {} : { checkpoint_seconds: request.checkpointSeconds }),
});

/** Over HTTP the guard counts what failed; here this does. */
const slowed = async <T>(
  limits: LoginLimits,
  peer: string,
  token: string | undefined,
  admit: () => Promise<T>,
): Promise<T> => {
  const address = peer.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  try {
    return await admit();
  } catch (error) {
    const isWrong = error instanceof RefusedError && error.refusal.status === 401 && token !== undefined;
    throw (isWrong ? limits.failed(address, token) : undefined) ?? error;
  }
};

export const eventsService = (deps: {
  readonly stream: EventStream;
  readonly log: Log;
  readonly limits?: LoginLimits;
}): UntypedServiceImplementation => ({
  subscribe: (call: Call): void => {
    const wire = new GrpcWire(call, deps.log);
    const [header] = call.metadata.get('authorization');
    const subscribe = async (): Promise<void> => {
      const token = bearerToken(header?.toString());
      const admit = () => deps.stream.admit(token, given(call.request));
      const admitted = await (deps.limits === undefined ? admit() : slowed(deps.limits, call.getPeer(), token, admit));
      // Headers now, so that a client of a quiet log knows that it was let in.
      call.sendMetadata(new Metadata());
      await admitted.serve(wire);
    };
    subscribe().catch((error: unknown) => wire.fail(error));
  },
});

class GrpcWire implements Wire {
  readonly encoding = grpcEncoding;
  private readonly gone = new AbortController();
  readonly closed = this.gone.signal;
  private over = false;

  constructor(
    private readonly call: Call,
    private readonly log: Log,
  ) {
    // However the stream ends; 'close' comes earlier, when there is nothing more to write.
    call.once('cancelled', () => this.gone.abort());
    if (call.cancelled) this.gone.abort();
  }

  write(bytes: Buffer, flushed: () => void): void {
    if (this.over || this.closed.aborted) return flushed();
    // Resolved when HTTP/2's flow control, the consumer's and the connection's, has taken the message.
    this.call.write(bytes as unknown as eventsV1.SubscribeResponse, () => flushed());
  }

  end(reason: Refusal): void {
    this.fail(new RefusedError(reason));
  }

  fail(error: unknown): void {
    if (this.over || this.closed.aborted) return;
    this.over = true;
    this.call.emit('error', toServiceError(error, this.log, 'Subscribe'));
  }

  /** grpc-js lets a status wait behind data that is never read; the stream itself is below the public interface. */
  kill(): void {
    const stream: unknown = Reflect.get((Reflect.get(this.call, 'call') as object | undefined) ?? {}, 'stream');
    const close: unknown = typeof stream === 'object' && stream !== null ? Reflect.get(stream, 'close') : undefined;
    if (typeof close === 'function') close.call(stream, constants.NGHTTP2_CANCEL);
    else this.log.warn({}, 'consumers: a stuck gRPC stream could not be dropped; its keepalive will end it');
  }
}

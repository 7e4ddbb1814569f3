import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import {
  deterministicUuid,
  isoTime,
  RefusedError,
  silentLog,
  systemClock,
  systemRandom,
  systemTimers,
  type Severity,
} from '#kernel';
import type { Principal } from '#access';
import type { EventStore, NewEvent } from '#event-store';
import { CursorCodec, restAnswer } from '#tools';
import { EventStream, type EventStreamOptions } from '../event-stream.js';
import { eventsService, eventsServiceDefinition } from '../surfaces/grpc.js';
import { serveSse } from '../surfaces/sse.js';
import type { TokenAuthority } from '../subscription/token-watch.js';

export const ACCOUNT = `account-${deterministicUuid('consumers', 'a')}`;
export const OTHER_ACCOUNT = `account-${deterministicUuid('consumers', 'b')}`;

/** Tokens are account ids. */
const authority: TokenAuthority = {
  authenticate: async (token): Promise<Principal | undefined> =>
    token.startsWith('account-')
      ? { operatorId: 'operator-1', accountId: token, name: 'test', permissions: new Set(['system.*']) }
      : undefined,
  onChange: () => () => undefined,
};

export interface Rig {
  readonly stream: EventStream;
  readonly httpPort: number;
  readonly grpcPort: number;
  close(): Promise<void>;
}

/** The two surfaces as the platform serves them, over any store, without the rest of the platform. */
export const openRig = async (store: EventStore, options: Partial<EventStreamOptions> = {}): Promise<Rig> => {
  const stream = new EventStream({
    store,
    authority,
    catalogue: { types: () => ['system.node.created'], current: (event) => event },
    cursors: new CursorCodec(Buffer.alloc(32, 7)),
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
    log: silentLog,
    limits: { perProcess: 2_000, perAccount: 2_000 },
    ...options,
  });
  const http = createHttpServer((request, response) => {
    serveSse(stream, request, response).catch((error: unknown) => {
      if (!(error instanceof RefusedError)) return response.destroy(error as Error);
      const { status, body } = restAnswer({ kind: 'refused', refusal: error.refusal });
      response.writeHead(status).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const grpc = new GrpcServer();
  grpc.addService(eventsServiceDefinition, eventsService({ stream, log: silentLog }));
  const grpcPort = await new Promise<number>((resolve, reject) =>
    grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
  const close = async () => {
    stream.stop();
    grpc.forceShutdown();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  };
  return { stream, httpPort: (http.address() as AddressInfo).port, grpcPort, close };
};

/** A wire that can be cut in the middle of a byte stream. */
export class CuttableWire {
  private readonly sockets = new Set<Socket>();
  private constructor(private readonly server: Server) {}

  static async to(port: number): Promise<CuttableWire> {
    const server = createServer();
    const wire = new CuttableWire(server);
    server.on('connection', (near) => {
      const far = connect(port, '127.0.0.1');
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        wire.sockets.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          wire.sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return wire;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.cut();
    await closed;
  }
}

export interface EventSpec {
  readonly stream: string;
  readonly n: number;
  readonly type?: string;
  readonly accountId?: string;
  readonly severity?: Severity;
  readonly payload?: Readonly<Record<string, unknown>>;
}

export const newEvent = ({ stream, n, type, accountId, severity, payload }: EventSpec): NewEvent => ({
  id: deterministicUuid('consumers-test', stream, n),
  type: type ?? 'system.node.created',
  schemaVersion: 1,
  data: { n, ...payload },
  meta: {
    accountId: accountId ?? ACCOUNT,
    actor: { kind: 'operator', id: 'operator-1' },
    commandId: `command-${stream}-${n}`,
    correlationId: 'correlation',
    causationId: 'cause',
    occurredAt: isoTime(systemClock.wallMs()),
    severity: severity ?? 'info',
    links: {},
    topics: [],
  },
});

/** Every event of the log that an account may see, in order. */
export const logOf = async (store: EventStore, accountId: string): Promise<string[]> => {
  const ids: string[] = [];
  for (let at = 0n as Parameters<EventStore['readAll']>[0]; ;) {
    const batch = await store.readAll(at, { limit: 1_000 });
    for (const event of batch.events)
      if (event.meta.accountId === accountId && !event.stream.startsWith('pm_')) ids.push(event.id);
    if (batch.through <= at) return ids;
    at = batch.through;
  }
};

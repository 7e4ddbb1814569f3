import { Server, type ServiceDefinition, type ServerOptions, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { sleep, type Timers } from '#kernel';
import type { ListenerCredentials } from './tls.js';

/** event-sourcing-survey §6.5: a peer that vanished is noticed by keepalive; liveness is decided by beats, never by TCP. */
const KEEPALIVE: ServerOptions = {
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
};

export interface ListenerOptions {
  /** HOST:PORT; port 0 takes a free one. */
  readonly address: string;
  readonly maxReceiveBytes: number;
  readonly credentials: ListenerCredentials;
}

/** One gRPC port. */
export class Listener {
  private readonly server: Server;

  constructor(private readonly options: ListenerOptions) {
    this.server = new Server({
      ...KEEPALIVE,
      'grpc.max_receive_message_length': options.maxReceiveBytes,
      'grpc.max_concurrent_streams': 128,
      'grpc.max_metadata_size': 16 * 1024,
      'grpc.enable_channelz': 0,
    });
  }

  addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    this.server.addService(definition, implementation);
  }

  /** Answers the port. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.bindAsync(this.options.address, this.options.credentials, (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  }

  /** Lets calls finish, at most until `forced` resolves. */
  async stop(forced: Promise<void>): Promise<void> {
    const graceful = new Promise<void>((resolve) => this.server.tryShutdown(() => resolve()));
    await Promise.race([graceful, forced]);
    this.server.forceShutdown();
  }
}

/** Calls may finish for a second. The timer goes with them: one that is left holds up a process that ends. */
export const stopAll = async (
  timers: Timers,
  listeners: readonly (Pick<Listener, 'stop'> | undefined)[],
): Promise<void> => {
  const over = new AbortController();
  const forced = sleep(timers, 1_000, over.signal);
  await Promise.all(listeners.map((one) => one?.stop(forced))).finally(() => over.abort());
};

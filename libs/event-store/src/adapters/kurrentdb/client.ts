import type { CallOptions, ClientReadableStream, Metadata } from '@grpc/grpc-js';
import type { Credentials, KurrentDBClient } from '@kurrent/kurrentdb-client';
import type { StreamsClient } from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_grpc_pb.js';
import type { ReadReq, ReadResp } from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js';
import { ConfigError, errorMessage } from '#kernel';
import type { KurrentAddress } from './connection-string.js';

/** The official client and its generated messages, as loaded. */
export type KurrentLibrary = Awaited<ReturnType<typeof importLibrary>>;

const importLibrary = async () => {
  const [client, messages, services, shared] = await Promise.all([
    import('@kurrent/kurrentdb-client'),
    import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js'),
    import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_grpc_pb.js'),
    import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/shared_pb.js'),
  ]);
  return { client: client.default, messages: messages.default, services: services.default, shared: shared.default };
};

/** Loaded only when this store is configured: the client is an optional dependency with a native part, and slow to load. */
export const loadLibrary = async (load = importLibrary): Promise<KurrentLibrary> => {
  try {
    return await load();
  } catch (error) {
    throw new ConfigError(
      'DROVER_EVENT_STORE: kurrentdb needs the package @kurrent/kurrentdb-client and its native part for this machine ' +
        `(run npm ci without --omit=optional): ${errorMessage(error).split('\n')[0]}`,
      { cause: error },
    );
  }
};

/**
 * What the client offers to those who build on it (protected in its types). Reads go through it because the client's own
 * readAll and readStream go through a native part that cuts the time of recording to whole seconds, while subscriptions
 * do not: the same event would have two times, and the audit chain covers it.
 */
interface Extension {
  readonly GRPCStreamCreator: (
    service: typeof StreamsClient,
    name: string,
    creator: (client: StreamsClient) => ClientReadableStream<ReadResp>,
  ) => () => Promise<ClientReadableStream<ReadResp>>;
  readonly callArguments: (
    options: { requiresLeader: boolean; deadline?: number },
    call?: CallOptions,
  ) => [Metadata, CallOptions];
  readonly getChannel: () => Promise<{ close(): void }>;
}

/** One connection, shared by appends, reads and subscriptions. */
export class KurrentConnection {
  readonly client: KurrentDBClient;
  private readonly extension: Extension;

  constructor(
    readonly library: KurrentLibrary,
    readonly address: KurrentAddress,
  ) {
    try {
      this.client = library.client.KurrentDBClient.connectionString(address.url) as KurrentDBClient;
    } catch (error) {
      throw new ConfigError(`KURRENTDB_URL: ${address.where}: ${address.hide(errorMessage(error))}`);
    }
    this.extension = this.client as unknown as Extension;
  }

  /**
   * For every append. Naming credentials makes the client use one call an append, with a deadline. Its shared call for all
   * appends has none, and an append that waits for it when it breaks rejects a promise that nobody holds, which would end
   * the process. Without TLS the client sends none.
   */
  get asWriter(): { readonly requiresLeader: true; readonly credentials: Credentials } {
    return { requiresLeader: true, credentials: this.address.credentials ?? { username: 'nobody', password: 'none' } };
  }

  /** Starts a read. Without a deadline it lasts until it is cancelled. */
  read(request: ReadReq, deadlineMs?: number): Promise<ClientReadableStream<ReadResp>> {
    const { GRPCStreamCreator, callArguments } = this.extension;
    const endless = deadlineMs === undefined ? { deadline: Infinity } : {};
    const bound = deadlineMs === undefined ? {} : { deadline: deadlineMs };
    return GRPCStreamCreator(this.library.services.StreamsClient, 'read', (client) =>
      client.read(request, ...callArguments({ requiresLeader: true, ...bound }, endless)),
    )();
  }

  async close(): Promise<void> {
    await this.client.dispose();
    const channel = await this.extension.getChannel();
    channel.close();
  }
}

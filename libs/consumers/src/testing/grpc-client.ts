import {
  credentials,
  Metadata,
  type ChannelCredentials,
  type ClientReadableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { eventsV1 } from '#proto';

export interface GrpcConnection {
  readonly call: ClientReadableStream<eventsV1.SubscribeResponse>;
  readonly messages: readonly eventsV1.SubscribeResponse[];
  until(fits: (message: eventsV1.SubscribeResponse) => boolean): Promise<eventsV1.SubscribeResponse>;
  /** Resolves with the error that ended the stream; undefined after a good end. */
  readonly ended: Promise<ServiceError | undefined>;
  /** Cuts the connection, not only the call. */
  cut(): void;
}

export interface GrpcOptions {
  readonly address: string;
  readonly token?: string;
  /** Of the CA of the server's certificate; without it, plain text. */
  readonly caPem?: string;
  readonly onMessage?: (message: eventsV1.SubscribeResponse) => void;
}

export const connectGrpc = (options: GrpcOptions, request: Partial<eventsV1.SubscribeRequest> = {}): GrpcConnection => {
  const secure: ChannelCredentials =
    options.caPem === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(options.caPem));
  const client = new eventsV1.EventsServiceClient(options.address, secure, {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
  });
  const metadata = new Metadata();
  if (options.token !== undefined) metadata.set('authorization', `Bearer ${options.token}`);
  const call = client.subscribe(eventsV1.SubscribeRequest.fromPartial(request), metadata);
  const messages: eventsV1.SubscribeResponse[] = [];
  const waiting = new Set<() => void>();
  call.on('data', (message: eventsV1.SubscribeResponse) => {
    messages.push(message);
    options.onMessage?.(message);
    for (const look of [...waiting]) look();
  });
  const ended = new Promise<ServiceError | undefined>((resolve) => {
    call.on('error', (error: ServiceError) => resolve(error));
    call.on('end', () => resolve(undefined));
  });
  void ended.then(() => client.close());
  const until = (fits: (message: eventsV1.SubscribeResponse) => boolean) =>
    new Promise<eventsV1.SubscribeResponse>((resolve, reject) => {
      const look = () => {
        const found = messages.find(fits);
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
      void ended.then((error) => reject(error ?? new Error('the stream ended')));
    });
  const cut = () => {
    call.cancel();
    client.close();
  };
  return { call, messages, until, ended, cut };
};

import {
  credentials,
  Metadata,
  type ChannelCredentials,
  type ClientReadableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { eventsV1 } from '#proto';
import { Mailbox } from './mailbox.js';

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
  const mailbox = new Mailbox<eventsV1.SubscribeResponse>();
  call.on('data', (message: eventsV1.SubscribeResponse) => {
    options.onMessage?.(message);
    mailbox.push(message);
  });
  const ended = new Promise<ServiceError | undefined>((resolve) => {
    call.on('error', (error: ServiceError) => resolve(error));
    call.on('end', () => resolve(undefined));
  });
  void ended.then(() => client.close());
  const over = ended.then((error) => error ?? new Error('the stream ended'));
  const until = (fits: (message: eventsV1.SubscribeResponse) => boolean) => mailbox.until(fits, over);
  const cut = () => {
    call.cancel();
    client.close();
  };
  return { call, messages: mailbox.messages, until, ended, cut };
};

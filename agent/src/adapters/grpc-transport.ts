import { constants, createHash } from 'node:crypto';
import { connect as tlsConnect, createSecureContext, type DetailedPeerCertificate } from 'node:tls';
import { credentials, Metadata, status, type ClientOptions, type ServiceError } from '@grpc/grpc-js';
import { agentV1 } from '#proto';
import { RemoteError, type AgentConnection, type Transport } from '../ports.js';

const LIMIT = 4 * 1024 * 1024;
const OPTIONS: ClientOptions = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': LIMIT,
  'grpc.max_send_message_length': LIMIT,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  'grpc.enable_retries': 0,
};
const CALL_MS = 20_000;

const PERMANENT = new Set<status>([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.UNAUTHENTICATED,
  status.ALREADY_EXISTS,
  status.OUT_OF_RANGE,
  status.UNIMPLEMENTED,
]);

const remote = (error: ServiceError): RemoteError =>
  new RemoteError(status[error.code] ?? String(error.code), error.details || error.message, PERMANENT.has(error.code));

const unary = <T>(call: (deadline: { deadline: number }, done: (e: ServiceError | null, r: T) => void) => unknown) =>
  new Promise<T>((resolve, reject) => {
    // grpc-js compares deadlines with Date.now itself.
    const deadline = performance.timeOrigin + performance.now() + CALL_MS;
    call({ deadline }, (error, response) => (error === null ? resolve(response) : reject(remote(error))));
  });

const pem = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END CERTIFICATE-----\n`;

const splitAddress = (address: string): { host: string; port: number } => {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) };
};

/** Looks at the chain the server presents, without trusting it, and takes from it the one certificate that was pinned. */
const pinnedCa = (address: string, pin: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = tlsConnect({ ...splitAddress(address), rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
      const seen = new Set<string>();
      let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
      while (next?.raw !== undefined && !seen.has(next.fingerprint256)) {
        seen.add(next.fingerprint256);
        if (createHash('sha256').update(next.raw).digest('hex') === pin) {
          resolve(pem(next.raw));
          return socket.destroy();
        }
        next = next.issuerCertificate;
      }
      const message = `the server at ${address} does not present the pinned CA (${seen.size} certificates seen)`;
      reject(new RemoteError('CA_PIN_MISMATCH', message, true));
      socket.destroy();
    });
    socket.setTimeout(CALL_MS, () => socket.destroy(new Error(`no TLS answer from ${address}`)));
    socket.once('error', (error) => reject(new RemoteError('UNAVAILABLE', error.message, false)));
  });

/** No session tickets, no resumption: a revoked certificate must be looked at on every connection. */
const secure = (caPem: string, certificatePem?: string, keyPem?: string) =>
  credentials.createFromSecureContext(
    createSecureContext({
      ca: caPem,
      ...(certificatePem === undefined ? {} : { cert: certificatePem, key: keyPem }),
      minVersion: 'TLSv1.3',
      secureOptions: constants.SSL_OP_NO_TICKET,
    }),
  );

const connect = (address: string, caPem: string, certificatePem: string, keyPem: string): AgentConnection => {
  const client = new agentV1.AgentServiceClient(address, secure(caPem, certificatePem, keyPem), OPTIONS);
  return {
    sync(handlers) {
      const call = client.sync();
      let ended = false;
      const end = (reason: string) => {
        if (ended) return;
        ended = true;
        handlers.onEnd(reason);
      };
      call.on('data', (message: agentV1.SyncResponse) => handlers.onMessage(message));
      call.on('error', (error: ServiceError) => end(`${status[error.code]}: ${error.details}`));
      call.on('end', () => end('the platform ended the stream'));
      return {
        send: (message) => void (ended || call.write(message)),
        close: () => {
          call.end();
          call.cancel();
        },
      };
    },
    reportPhase: (request) => unary((options, done) => client.reportPhase(request, new Metadata(), options, done)),
    renew: (request) => unary((options, done) => client.renewCertificate(request, new Metadata(), options, done)),
    tunnel(tunnelId, handlers) {
      const call = client.tunnel();
      let ended = false;
      const end = (error: string | undefined) => {
        if (ended) return;
        ended = true;
        handlers.onEnd(error);
      };
      call.on('data', (message: agentV1.TunnelResponse) => handlers.onData(message.data));
      call.on('drain', () => handlers.onDrain());
      call.on('end', () => end(undefined));
      call.on('error', (error: ServiceError) => end(error.details || error.message));
      call.write({ message: { $case: 'tunnelId', value: tunnelId } });
      return {
        write: (data) => call.write({ message: { $case: 'data', value: Buffer.from(data) } }),
        end: () => call.end(),
        cancel: () => call.cancel(),
        pause: () => void call.pause(),
        resume: () => void call.resume(),
      };
    },
    close: () => client.close(),
  };
};

export const grpcTransport: Transport = {
  async enroll(address, caPin, request) {
    const caPem = await pinnedCa(address, caPin);
    const client = new agentV1.EnrollmentServiceClient(address, secure(caPem), OPTIONS);
    try {
      return await unary((options, done) => client.enroll(request, new Metadata(), options, done));
    } finally {
      client.close();
    }
  },
  connect: (address, identity) => connect(address, identity.caPem, identity.certificatePem, identity.keyPem),
};

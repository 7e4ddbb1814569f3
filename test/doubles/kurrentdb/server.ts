import { randomUUID } from 'node:crypto';
import { Server, ServerCredentials, type ServiceError, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { ServerDuplexStream, ServerReadableStream, sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js';
import type {
  AppendReq,
  AppendResp,
  BatchAppendReq,
  BatchAppendResp,
} from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js';
import { Access, type Users } from './access.js';
import { receiveAppend, receiveBatches, type Write } from './append.js';
import { noFaults, serverBusy, type Faults } from './faults.js';
import { JournalFile } from './journal-file.js';
import { ServerLog } from './log.js';
import { Reader, type ReadCall } from './read.js';
import { clusterInfo, supportedMethods } from './topology.js';
import { featuresGrpc, gossipGrpc, streamsGrpc } from './stubs.js';

export interface FakeKurrentOptions {
  /** Where events are kept across restarts; in memory without it. */
  readonly file?: string;
  readonly port?: number;
  /** A secured server: these users, and TLS. */
  readonly users?: Users;
  readonly tls?: { readonly key: Buffer; readonly cert: Buffer };
  /** Default 1 MiB, as the server's own MaxAppendSize. */
  readonly maxAppendBytes?: number;
  /** Without it the client falls back to one Append call an append, as with servers before 21.10. */
  readonly batchAppend?: boolean;
}

/**
 * A KurrentDB server for tests, made from the official client's own generated stubs. It does what Drover's adapter relies
 * on as the server does it: idempotency by event id, expected revisions, positions with gaps, system events in $all,
 * filters, checkpoints, "caught up", credentials, TLS, size limits. It may be stopped and started on the same log.
 */
export class FakeKurrent {
  readonly faults: Faults = noFaults();
  readonly log: ServerLog;
  private readonly access: Access;
  private readonly calls = new Set<AbortController>();
  private server: Server | undefined;
  private boundPort = 0;
  /** Counted for tests. */
  appends = 0;
  eventsSent = 0;

  private constructor(private readonly options: FakeKurrentOptions) {
    this.access = new Access(options.users);
    const file = options.file === undefined ? undefined : new JournalFile(options.file);
    this.log = new ServerLog(this.now, file);
    if (this.log.records.length === 0) this.systemEvent('$users', '$UserCreated');
  }

  static async start(options: FakeKurrentOptions = {}): Promise<FakeKurrent> {
    const fake = new FakeKurrent(options);
    await fake.listen(options.port ?? 0);
    return fake;
  }

  get port(): number {
    return this.boundPort;
  }

  /** As an operator would write it, for a server without TLS. */
  get url(): string {
    return `kurrentdb://127.0.0.1:${this.port}?tls=false`;
  }

  /** What the server writes of its own: statistics, users, links of system projections. */
  systemEvent(stream = '$stats-127.0.0.1:2113', type = '$statsCollected'): void {
    const event = { id: randomUUID(), type, contentType: 'application/json', metadata: Buffer.alloc(0) };
    this.log.write(stream, 'any', [{ ...event, data: Buffer.from('{"cpu":1}') }]);
  }

  /** Cuts every connection, as a crash does; the log stays. */
  async kill(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    for (const call of this.calls) call.abort();
    server?.forceShutdown();
  }

  /** Listens again, on the same port. */
  async restart(): Promise<void> {
    await this.listen(this.boundPort);
  }

  async stop(): Promise<void> {
    await this.kill();
    this.log.close();
  }

  private readonly now = (): number => Date.now() + this.faults.clockOffsetMs;

  private async listen(port: number): Promise<void> {
    const server = new Server({ 'grpc.max_receive_message_length': 20 * 1024 * 1024 });
    server.addService(streamsGrpc.StreamsService, this.streamsService());
    server.addService(featuresGrpc.ServerFeaturesService, {
      getSupportedMethods: this.unary(() => supportedMethods(this.options.batchAppend ?? true)),
    });
    server.addService(gossipGrpc.GossipService, { read: this.unary(() => clusterInfo(this.port)) });
    const { tls } = this.options;
    const credentials =
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(null, [{ private_key: tls.key, cert_chain: tls.cert }]);
    this.boundPort = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
    );
    this.server = server;
  }

  private unary(answer: () => object) {
    return (_: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) =>
      this.faults.busy ? callback(serverBusy()) : callback(null, answer());
  }

  private streamsService(): UntypedServiceImplementation {
    return {
      read: (call: ReadCall) => void this.read(call),
      append: (call: ServerReadableStream<AppendReq, AppendResp>, callback: sendUnaryData<AppendResp>) =>
        void this.append(call, callback),
      batchAppend: (call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>) => this.batchAppend(call),
    } as unknown as UntypedServiceImplementation;
  }

  private async read(call: ReadCall): Promise<void> {
    const stop = new AbortController();
    this.calls.add(stop);
    call.on('cancelled', () => stop.abort());
    call.on('close', () => stop.abort());
    try {
      if (this.faults.busy) throw serverBusy();
      this.access.check(call.metadata, call.request.getOptions()!.hasAll());
      await new Reader(this.log, call, this.now, randomUUID(), stop.signal, () => this.eventsSent++).run();
      call.end();
    } catch (error) {
      // Sends the status; destroying the call would leave the client waiting.
      call.emit('error', error);
    } finally {
      this.calls.delete(stop);
    }
  }

  private async append(
    call: ServerReadableStream<AppendReq, AppendResp>,
    callback: sendUnaryData<AppendResp>,
  ): Promise<void> {
    try {
      this.access.check(call.metadata, false);
      const answer = await receiveAppend(call, this.maxAppendBytes, this.write);
      if (answer !== undefined) callback(null, answer);
    } catch (error) {
      callback(error as ServiceError);
    }
  }

  private batchAppend(call: ServerDuplexStream<BatchAppendReq, BatchAppendResp>): void {
    try {
      this.access.check(call.metadata, false);
    } catch (error) {
      call.emit('error', error);
      return;
    }
    receiveBatches(call, this.maxAppendBytes, this.now, this.write);
  }

  private get maxAppendBytes(): number {
    return this.options.maxAppendBytes ?? 1024 * 1024;
  }

  private readonly write: Write = (stream, expected, events) => {
    if (this.faults.busy) throw serverBusy();
    this.faults.beforeAppend?.(stream);
    this.appends++;
    const result = this.log.write(stream, expected, events);
    if (this.faults.swallowAppends > 0) {
      this.faults.swallowAppends--;
      return undefined;
    }
    if (this.faults.loseAnswers === 0) return result;
    this.faults.loseAnswers--;
    void this.kill().then(() => this.restart());
    return undefined;
  };
}

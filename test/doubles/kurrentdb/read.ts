import { status, type ServerWritableStream } from '@grpc/grpc-js';
import type { ReadReq, ReadResp } from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js';
import { invalidPosition, rpcError } from './faults.js';
import type { ServerLog } from './log.js';
import type { LogRecord } from './record.js';
import {
  caughtUpMessage,
  checkpointMessage,
  confirmationMessage,
  eventMessage,
  streamName,
  streamNotFoundMessage,
} from './messages.js';
import { streams } from './stubs.js';

type Options = ReadReq.Options;
export type ReadCall = ServerWritableStream<ReadReq, ReadResp>;
type Wanted = (record: LogRecord) => boolean;

/** The server's own default of how many records it looks at between two checkpoints. */
const SEARCH_WINDOW = 32;

/** Streams.Read in all its forms: a stream or $all, forwards or backwards, once or as a subscription, filtered or not. */
export class Reader {
  private readonly sender: Sender;
  private readonly options: Options;
  private readonly forwards: boolean;

  constructor(
    private readonly log: ServerLog,
    call: ReadCall,
    private readonly now: () => number,
    private readonly subscriptionId: string,
    private readonly stop: AbortSignal,
    sent: () => void,
  ) {
    this.options = call.request.getOptions()!;
    this.forwards = this.options.getReadDirection() === streams.ReadReq.Options.ReadDirection.FORWARDS;
    this.sender = new Sender(call, this.options.getUuidOption()?.hasStructured() ?? false, stop, sent);
  }

  async run(): Promise<void> {
    if (this.options.hasSubscription()) await this.subscription();
    else if (this.options.hasStream()) await this.stream();
    else await this.all();
  }

  private async stream(): Promise<void> {
    const wanted = this.options.getStream()!;
    const name = streamName(wanted.getStreamIdentifier());
    const records = this.log.stream(name);
    if (records.length === 0) return this.sender.send(streamNotFoundMessage(name));
    const limit = Number(BigInt.asUintN(53, BigInt(this.options.getCount())));
    const last = records.length - 1;
    const at = wanted.hasRevision() ? Number(wanted.getRevision()) : wanted.hasEnd() ? last : 0;
    const page = this.forwards
      ? records.slice(at, at + limit)
      : records.slice(Math.max(0, Math.min(at, last) + 1 - limit), Math.min(at, last) + 1).reverse();
    for (const record of page) await this.sender.event(record);
  }

  private async all(): Promise<void> {
    const wanted = filterOf(this.options);
    const step = this.forwards ? 1 : -1;
    let left = BigInt(this.options.getCount());
    const start = this.startIndex(this.forwards ? 0 : this.log.records.length);
    for (let at = this.forwards ? start : start - 1; left > 0n; at += step) {
      const record = this.log.records[at];
      if (record === undefined) return;
      if (!wanted(record)) continue;
      await this.sender.event(record);
      left--;
    }
  }

  /** Events after the position; a checkpoint at each so many records and when live; "caught up" when live. */
  private async subscription(): Promise<void> {
    if (!this.options.hasAll()) throw rpcError(status.UNIMPLEMENTED, 'the stand-in subscribes to $all only');
    const wanted = filterOf(this.options);
    const interval = this.options.hasFilter()
      ? (this.options.getFilter()!.getMax() || SEARCH_WINDOW) *
        this.options.getFilter()!.getCheckpointintervalmultiplier()
      : Infinity;
    let at = this.startIndex(0);
    const from = this.options.getAll()!.getPosition()?.getCommitPosition();
    if (from !== undefined && this.log.records[at]?.position === BigInt(from)) at++;
    await this.sender.send(confirmationMessage(this.subscriptionId));
    let live = false;
    for (let seen = 0; !this.stop.aborted;) {
      const record = this.log.records[at];
      if (record === undefined) {
        if (!live) await this.goLive(at, interval !== Infinity);
        live = true;
        await this.log.written(this.stop);
        continue;
      }
      at++;
      if (wanted(record)) await this.sender.event(record);
      if (++seen % interval === 0) await this.sender.send(checkpointMessage(record.position, this.now()));
    }
  }

  private async goLive(at: number, filtered: boolean): Promise<void> {
    const last = this.log.records[at - 1]?.position ?? 0n;
    if (filtered) await this.sender.send(checkpointMessage(last, this.now()));
    await this.sender.send(caughtUpMessage(last, this.now()));
  }

  private startIndex(otherwise: number): number {
    const wanted = this.options.getAll()!;
    if (wanted.hasEnd()) return this.log.records.length;
    if (!wanted.hasPosition()) return otherwise;
    const position = BigInt(wanted.getPosition()!.getCommitPosition());
    if (!this.log.isBoundary(position)) throw invalidPosition();
    return this.log.indexAt(position);
  }
}

/** Sends no faster than the client reads. */
class Sender {
  constructor(
    private readonly call: ReadCall,
    private readonly structuredIds: boolean,
    private readonly stop: AbortSignal,
    private readonly sent: () => void,
  ) {}

  event(record: LogRecord): Promise<void> {
    this.sent();
    return this.send(eventMessage(record, this.structuredIds));
  }

  async send(message: ReadResp): Promise<void> {
    if (this.stop.aborted || this.call.write(message)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.call.removeListener('drain', done);
        this.stop.removeEventListener('abort', done);
        resolve();
      };
      this.call.once('drain', done);
      this.stop.addEventListener('abort', done, { once: true });
    });
  }
}

const filterOf = (options: Options): Wanted => {
  const filter = options.getFilter();
  if (filter === undefined) return () => true;
  const byName = filter.hasStreamIdentifier();
  const expression = byName ? filter.getStreamIdentifier()! : filter.getEventType()!;
  const [prefixes, regex] = [expression.getPrefixList(), expression.getRegex()];
  const pattern = new RegExp(regex, 'u');
  return (record) => {
    const text = byName ? record.stream : record.type;
    return regex === '' ? prefixes.some((prefix) => text.startsWith(prefix)) : pattern.test(text);
  };
};

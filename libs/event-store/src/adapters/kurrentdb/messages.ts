import type { ReadReq, ReadResp } from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js';
import type { KurrentLibrary } from './client.js';

/** An event as it came over the wire. */
export interface RawEvent {
  readonly stream: string;
  /** From 0. */
  readonly revision: number;
  readonly id: string;
  readonly type: string;
  readonly position: bigint;
  readonly createdMs: number;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

export type ReadMessage =
  | { readonly kind: 'event'; readonly event: RawEvent }
  /** Everything up to here that passes the filter was sent. */
  | { readonly kind: 'checkpoint'; readonly position: bigint }
  | { readonly kind: 'caught_up' };

/** .NET ticks of 100 ns since the epoch. */
const TICKS_PER_MS = 10_000n;

/** Undefined for what Drover has no use for: confirmations, "not found" (an absent stream is empty), first and last positions. */
export const readMessage = (answer: ReadResp): ReadMessage | undefined => {
  if (answer.hasCaughtUp()) return { kind: 'caught_up' };
  if (answer.hasCheckpoint()) {
    return { kind: 'checkpoint', position: BigInt(answer.getCheckpoint()!.getCommitPosition()) };
  }
  const recorded = answer.getEvent()?.getEvent();
  if (recorded === undefined) return undefined;
  const metadata = recorded.getMetadataMap();
  return {
    kind: 'event',
    event: {
      stream: Buffer.from(recorded.getStreamIdentifier()!.getStreamName_asU8()).toString('utf8'),
      revision: Number(recorded.getStreamRevision()),
      id: recorded.getId()!.getString(),
      type: metadata.get('type') ?? '',
      position: BigInt.asUintN(64, BigInt(recorded.getCommitPosition())),
      createdMs: Number(BigInt(metadata.get('created') ?? 0) / TICKS_PER_MS),
      data: recorded.getData_asU8(),
      metadata: recorded.getCustomMetadata_asU8(),
    },
  };
};

/** How many records the server looks at, at once, for those that pass a filter. */
const READ_WINDOW = 500;

/** Builds read requests out of the client's own messages. */
export class Requests {
  constructor(private readonly library: KurrentLibrary) {}

  stream(stream: string, fromRevision: number, count: number): ReadReq {
    const { messages, shared } = this.library;
    const identifier = new shared.StreamIdentifier();
    identifier.setStreamName(new Uint8Array(Buffer.from(stream)));
    const wanted = new messages.ReadReq.Options.StreamOptions();
    wanted.setStreamIdentifier(identifier);
    wanted.setRevision(String(fromRevision));
    const options = this.options();
    options.setStream(wanted);
    options.setCount(String(count));
    options.setNoFilter(new shared.Empty());
    return this.request(options);
  }

  /** $all from a position on, that position included. */
  all(from: bigint, prefixes: readonly string[], count: number): ReadReq {
    const options = this.options();
    options.setAll(this.from(from));
    options.setCount(String(count));
    options.setFilter(this.filter(prefixes, READ_WINDOW));
    return this.request(options);
  }

  /** $all before a position, that position left out, or before its end; newest first. */
  backwards(before: bigint | undefined, prefixes: readonly string[], count: number): ReadReq {
    const { messages, shared } = this.library;
    const end = new messages.ReadReq.Options.AllOptions();
    end.setEnd(new shared.Empty());
    const options = this.options();
    options.setAll(before === undefined ? end : this.from(before));
    options.setReadDirection(messages.ReadReq.Options.ReadDirection.BACKWARDS);
    options.setCount(String(count));
    options.setFilter(this.filter(prefixes, READ_WINDOW));
    return this.request(options);
  }

  /** $all after a position: what is there, then what comes. */
  subscription(after: bigint, prefixes: readonly string[]): ReadReq {
    const options = this.options();
    options.setAll(this.from(after));
    options.setSubscription(new this.library.messages.ReadReq.Options.SubscriptionOptions());
    options.setFilter(this.filter(prefixes));
    return this.request(options);
  }

  private from(at: bigint): ReadReq.Options.AllOptions {
    const { messages, shared } = this.library;
    const from = new messages.ReadReq.Options.AllOptions();
    if (at === 0n) {
      from.setStart(new shared.Empty());
      return from;
    }
    // What was appended over gRPC has one position: prepare and commit are the same record.
    const place = new messages.ReadReq.Options.Position();
    place.setCommitPosition(String(at));
    place.setPreparePosition(String(at));
    from.setPosition(place);
    return from;
  }

  private filter(prefixes: readonly string[], window?: number): ReadReq.Options.FilterOptions {
    const { messages, shared } = this.library;
    const expression = new messages.ReadReq.Options.FilterOptions.Expression();
    expression.setPrefixList([...prefixes]);
    const filter = new messages.ReadReq.Options.FilterOptions();
    filter.setStreamIdentifier(expression);
    if (window === undefined) filter.setCount(new shared.Empty());
    else filter.setMax(window);
    filter.setCheckpointintervalmultiplier(1);
    return filter;
  }

  private options(): ReadReq.Options {
    const { messages, shared } = this.library;
    const ids = new messages.ReadReq.Options.UUIDOption();
    ids.setString(new shared.Empty());
    const options = new messages.ReadReq.Options();
    options.setUuidOption(ids);
    options.setResolveLinks(false);
    return options;
  }

  private request(options: ReadReq.Options): ReadReq {
    const request = new this.library.messages.ReadReq();
    request.setOptions(options);
    return request;
  }
}

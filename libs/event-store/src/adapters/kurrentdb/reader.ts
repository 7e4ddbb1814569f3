import type { ClientReadableStream } from '@grpc/grpc-js';
import type { ReadReq, ReadResp } from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_pb.js';
import { position, START, type Batch, type Position, type ReadAllOptions, type RecordedEvent } from '../../port.js';
import type { KurrentConnection } from './client.js';
import { commitOf, positionOf, recordedEvent, recordedMs } from './codec.js';
import { rejection, unavailable } from './failures.js';
import { readMessage, Requests, type RawEvent } from './messages.js';

/** A page ends before it grows past this, though not before its first event. */
export const BATCH_BYTES = 8 * 1024 * 1024;

/** What this process has seen of the log: its furthest event and its latest time of recording. */
export class Horizon {
  private furthest: Position = START;
  private latestMs = 0;

  get position(): Position {
    return this.furthest;
  }
  get recordedMs(): number {
    return this.latestMs;
  }

  see(raw: RawEvent): void {
    const at = positionOf(raw);
    if (at > this.furthest) this.furthest = at;
    const ms = recordedMs(raw);
    if (ms > this.latestMs) this.latestMs = ms;
  }
}

export interface StreamPage {
  readonly events: readonly RawEvent[];
  /** The stream ended with it. */
  readonly isLast: boolean;
}

/** Reads that end: pages of a stream, pages of the log, the log's last event. */
export class Reader {
  readonly requests: Requests;
  readonly horizon = new Horizon();

  constructor(
    readonly connection: KurrentConnection,
    /** What stands before the names of this log's streams on the server; nothing else of $all is ever seen. */
    readonly namespace: string,
    private readonly deadlineMs: number,
  ) {
    this.requests = new Requests(connection.library);
  }

  prefixes(categories?: readonly string[]): string[] {
    return categories?.map((category) => `${this.namespace}${category}-`) ?? [this.namespace];
  }

  async streamPage(stream: string, fromRevision: number, count: number): Promise<StreamPage> {
    const fits = bounded();
    let cut = false;
    const request = this.requests.stream(this.namespace + stream, fromRevision, count);
    const events = this.seen(await this.page(request, (raw, taken) => fits(raw, taken) || !(cut = true)));
    return { events, isLast: !cut && events.length < count };
  }

  /** The first event of a stream that is no part of the log. */
  async firstOf(serverStream: string): Promise<RawEvent | undefined> {
    return (await this.page(this.requests.stream(serverStream, 0, 1)))[0];
  }

  async head(): Promise<Position> {
    const [last] = this.seen(await this.page(this.requests.backwards(undefined, this.prefixes(), 1)));
    return last === undefined ? START : positionOf(last);
  }

  /** Newest first; the server reads backwards from before the position. Only an empty page says that the log ends here. */
  async backwards(before: Position | undefined, count: number): Promise<RecordedEvent[]> {
    const request = this.requests.backwards(before && commitOf(before), this.prefixes(), count);
    const page = await this.page(request, bounded());
    return this.seen(page).map((raw) => recordedEvent(raw, this.namespace));
  }

  /**
   * The head is read first: what stands before it can be read by the time the page is, so a page that was not cut short
   * is complete up to there. A position that no event has is never given out, since the server reads from no other.
   */
  async all(after: Position, options: ReadAllOptions): Promise<Batch> {
    const head = await this.head();
    if (head <= after || options.categories?.length === 0) return { events: [], through: max(head, after) };
    // The first event may be the one at `after`; the server's reads include it.
    const request = this.requests.all(commitOf(after), this.prefixes(options.categories), options.limit + 1);
    const fits = bounded();
    let cut = false;
    const page = await this.page(
      request,
      (raw, taken) => (taken < options.limit && fits(raw, taken)) || !(cut = true),
      (raw) => positionOf(raw) > after,
    );
    const events = this.seen(page).map((raw) => recordedEvent(raw, this.namespace));
    cut ||= events.length >= options.limit;
    const last = events.at(-1)?.position ?? after;
    return { events, through: cut ? last : max(last, head) };
  }

  private seen(page: RawEvent[]): RawEvent[] {
    for (const raw of page) this.horizon.see(raw);
    return page;
  }

  /** Events while `more` says so; those that are not `wanted` are passed over. */
  private async page(
    request: ReadReq,
    more: (raw: RawEvent, taken: number) => boolean = () => true,
    wanted: (raw: RawEvent) => boolean = () => true,
  ): Promise<RawEvent[]> {
    const page: RawEvent[] = [];
    let call: ClientReadableStream<ReadResp> | undefined;
    try {
      call = await this.connection.read(request, this.deadlineMs);
      for await (const answer of call as AsyncIterable<ReadResp>) {
        const message = readMessage(answer);
        if (message?.kind !== 'event' || !wanted(message.event)) continue;
        if (!more(message.event, page.length)) break;
        page.push(message.event);
      }
      return page;
    } catch (error) {
      const { address } = this.connection;
      throw isForeign(error) ? error : (rejection(error, 'the log', address) ?? unavailable(error, address));
    } finally {
      letGo(call);
    }
  }
}

/** Whether the next event still belongs on a page; to be asked once for each. */
const bounded = () => {
  let bytes = 0;
  return (raw: RawEvent, taken: number): boolean => {
    bytes += raw.data.length + raw.metadata.length;
    return taken === 0 || bytes <= BATCH_BYTES;
  };
};

/** A read that is left before its end goes on sending; and it reports its end as an error, which nobody waits for any more. */
export const letGo = (call: ClientReadableStream<ReadResp> | undefined): void => {
  call?.on('error', () => undefined);
  call?.cancel();
};

/** Thrown by our own decoding: not the server's failure. */
const isForeign = (error: unknown): boolean =>
  error instanceof Error && error.constructor === Error && !('code' in error);

const max = (a: bigint, b: bigint): Position => position(a > b ? a : b);

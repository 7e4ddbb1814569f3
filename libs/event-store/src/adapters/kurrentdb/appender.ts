import { backoffMs, sleep, type Clock, type Random, type Timers } from '#kernel';
import { checkAppend, expectationHolds, idReused, type Payload } from '../../append-rules.js';
import { EventStoreUnavailableError, type AppendOutcome, type AppendRequest, type Expected } from '../../port.js';
import { attemptOf, positionOf, propose, type Proposal } from './codec.js';
import { rejection, unavailable, wrongExpectedVersion } from './failures.js';
import type { KnownIds, StreamIds } from './known-ids.js';
import type { Reader, StreamPage } from './reader.js';

export interface AppenderDeps {
  readonly reader: Reader;
  readonly ids: KnownIds;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly timers: Timers;
  readonly random: Pick<Random, 'unit'>;
  /** Makes the attempts of this process unlike those of any other. */
  readonly writer: string;
  readonly patienceMs: number;
  readonly deadlineMs: number;
}

const PAGE = 1_000;
/** An unconditional append that loses this often against other writers gives up. */
const MAX_ROUNDS = 100;

type Verdict =
  | Extract<AppendOutcome, { kind: 'conflict' }>
  | { readonly kind: 'duplicate'; readonly version: number }
  | { readonly kind: 'write' };

/**
 * Appends as the port wants them on a server that wants them otherwise: it knows ids only where the append expects them,
 * and answers a repeat as if it had written. So this writer knows the ids of the streams it writes, always expects an
 * exact revision, and reads back what it wrote. A lost answer leaves the outcome unknown: the stream is read again.
 */
export class Appender {
  private readonly lanes = new Map<string, Promise<unknown>>();
  private attempts = 0;
  private readonly closed = new AbortController();

  constructor(private readonly deps: AppenderDeps) {}

  async append(request: AppendRequest): Promise<AppendOutcome> {
    const payloads = checkAppend(request);
    // Two appends of one process to one stream would only make each other lose.
    return this.inTurn(request.stream, () => this.withPatience(request, payloads));
  }

  async close(): Promise<void> {
    this.closed.abort();
    await Promise.allSettled(this.lanes.values());
  }

  private async withPatience(request: AppendRequest, payloads: readonly Payload[]): Promise<AppendOutcome> {
    const { clock, timers, random, patienceMs, writer } = this.deps;
    const deadline = clock.monotonicMs() + patienceMs;
    const attempt = `${writer}.${++this.attempts}`;
    for (let tries = 0; ; tries++) {
      if (this.closed.signal.aborted) throw new EventStoreUnavailableError('the event store is closed');
      try {
        return await this.settle(request, payloads, attempt, tries > 0);
      } catch (error) {
        if (!(error instanceof EventStoreUnavailableError) || clock.monotonicMs() >= deadline) throw error;
        await sleep(
          timers,
          backoffMs(tries, () => random.unit(), 20, 1_000),
          this.closed.signal,
        );
      }
    }
  }

  private async settle(
    request: AppendRequest,
    payloads: readonly Payload[],
    attempt: string,
    unsure: boolean,
  ): Promise<AppendOutcome> {
    const ids = this.deps.ids.of(request.stream);
    if (unsure || !knowsEnough(ids, request.expected)) await this.catchUp(ids);
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const verdict = judge(request, ids);
      if (verdict.kind === 'conflict') return verdict;
      if (verdict.kind !== 'write') return this.found(request.stream, verdict.version, attempt);
      const written = await this.write(request, payloads, attempt, ids);
      if (written !== undefined) return written;
      await this.catchUp(ids);
    }
    throw new EventStoreUnavailableError(`append to ${request.stream} lost against ${MAX_ROUNDS} other writers`);
  }

  /** Undefined when others have appended since we last looked. */
  private async write(
    { stream, events }: AppendRequest,
    payloads: readonly Payload[],
    attempt: string,
    ids: StreamIds,
  ): Promise<AppendOutcome | undefined> {
    const { reader } = this.deps;
    const version = ids.through;
    const { recordedMs } = reader.horizon;
    const proposals = events.map((event, index) => propose(event, payloads[index]!, attempt, recordedMs));
    try {
      await this.send(reader.namespace + stream, proposals, version);
    } catch (error) {
      if (wrongExpectedVersion(error) !== undefined) return undefined;
      const { address } = reader.connection;
      throw rejection(error, stream, address) ?? unavailable(error, address);
    }
    this.deps.ids.learn(
      ids,
      events.map(({ id }, index) => ({ id, revision: version + index })),
    );
    return this.found(stream, version + events.length, attempt);
  }

  private async send(stream: string, proposals: readonly Proposal[], version: number): Promise<void> {
    const { library, client, asWriter } = this.deps.reader.connection;
    const { binaryEvent, NO_STREAM } = library.client;
    const events = proposals.map((proposal) => binaryEvent(proposal));
    // `expectedRevision`, the option's former name, would be ignored in silence: an append that expects nothing.
    const streamState = version === 0 ? NO_STREAM : BigInt(version - 1);
    await client.appendToStream(stream, events, { streamState, deadline: this.deps.deadlineMs, ...asWriter });
  }

  /** What an event that is there says: its position, and whether this very attempt wrote it. */
  private async found(stream: string, version: number, attempt: string): Promise<AppendOutcome> {
    const [raw] = (await this.deps.reader.streamPage(stream, version - 1, 1)).events;
    if (raw === undefined) throw new EventStoreUnavailableError(`version ${version} of ${stream} cannot be read yet`);
    const kind = attemptOf(raw) === attempt ? 'appended' : 'duplicate';
    return { kind, version, position: positionOf(raw) };
  }

  private async catchUp(ids: StreamIds): Promise<void> {
    for (let page: StreamPage, from = ids.through; ; from += page.events.length) {
      page = await this.deps.reader.streamPage(ids.stream, from, PAGE);
      this.deps.ids.learn(ids, page.events);
      if (page.isLast) return;
    }
  }

  private inTurn<T>(stream: string, task: () => Promise<T>): Promise<T> {
    const result = (this.lanes.get(stream) ?? Promise.resolve()).then(task, task);
    const leave = () => {
      if (this.lanes.get(stream) === lane) this.lanes.delete(stream);
    };
    const lane: Promise<void> = result.then(leave, leave);
    this.lanes.set(stream, lane);
    return result;
  }
}

/** An expected version that is exactly what we know needs no look: the server judges the rest. */
const knowsEnough = (ids: StreamIds, expected: Expected): boolean => {
  if (expected === 'no_stream') return ids.through === 0;
  return typeof expected === 'number' ? expected === ids.through : ids.through > 0;
};

/** As every adapter judges: a repeat first, then the expectation, then ids that are no repeat. */
const judge = ({ stream, expected, events }: AppendRequest, ids: StreamIds): Verdict => {
  const versions = events.map(({ id }) => ids.versionOf(id)).filter((version) => version !== undefined);
  if (versions.length === events.length) return { kind: 'duplicate', version: Math.max(...versions) };
  if (!expectationHolds(expected, ids.through)) return { kind: 'conflict', actual: ids.through };
  if (versions.length > 0) throw idReused(stream);
  return { kind: 'write' };
};

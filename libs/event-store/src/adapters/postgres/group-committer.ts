import pg from 'pg';
import {
  backoffMs,
  errorMessage,
  sleep,
  type Clock,
  type Log,
  type Random,
  type Timers,
  failpoint,
  failpointNow,
} from '#kernel';
import { EventStoreUnavailableError, type AppendOutcome } from '../../port.js';
import { executeAppends, type AppendAnswer, type PreparedAppend } from './append-statement.js';
import { classify, rejected, unavailable } from './pg-errors.js';

export interface CommitterDeps {
  readonly connection: pg.ClientConfig;
  readonly clock: Pick<Clock, 'wallMs' | 'monotonicMs'>;
  readonly timers: Timers;
  readonly random: Pick<Random, 'unit'>;
  readonly log: Log;
  /** How long an append waits for a lost server to come back before it is refused, in milliseconds. */
  readonly patienceMs: number;
}

interface Waiting {
  readonly append: PreparedAppend;
  readonly deadline: number;
  resolve(outcome: AppendOutcome): void;
  reject(error: Error): void;
}

const MAX_APPENDS = 256;
const MAX_BYTES = 1024 * 1024;
/** Fewer than this many waiting appends are not worth two batches. */
const WORTH_SPLITTING = 16;

/**
 * The plan of es.append must not depend on the arrays of one call (planning anew costs more than the append), and must
 * be right for a large log although it is made when the log is empty: hence index lookups only.
 */
const SESSION = `SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off;
  SET enable_mergejoin = off; SET synchronous_commit = on; SET statement_timeout = '15s'; SET lock_timeout = '10s'`;

/**
 * Gathers the appends of many callers into one transaction: while a batch is on its way the next one forms. At most one
 * append per stream and batch, so that each is judged against a settled version. A lost connection leaves the outcome
 * unknown; the batch is sent again, which is safe because what did commit is answered as a duplicate.
 */
export class GroupCommitter {
  private queue: Waiting[] = [];
  private running: Promise<void> | undefined;
  private client: pg.Client | undefined;
  private closing = false;
  private readonly stop = new AbortController();

  constructor(private readonly deps: CommitterDeps) {}

  append(append: PreparedAppend): Promise<AppendOutcome> {
    return new Promise((resolve, reject) => {
      if (this.closing) return reject(new EventStoreUnavailableError('the event store is closed'));
      const deadline = this.deps.clock.monotonicMs() + this.deps.patienceMs;
      this.queue.push({ append, deadline, resolve, reject });
      this.running ??= this.run();
    });
  }

  /** Refuses new appends, commits what waits, and lets go of the connection. */
  async close(): Promise<void> {
    this.closing = true;
    this.stop.abort();
    await this.running;
    const client = this.client;
    this.client = undefined;
    await client?.end();
  }

  /**
   * The next batch is sent before the callers of the last one are answered: while the database works, they prepare what
   * they append next. From a standstill only half of a crowd is taken, so that the other half is that next batch.
   */
  private async run(): Promise<void> {
    // One turn of the event loop lets everyone who was woken together get into the same batch.
    await new Promise<void>((resolve) => setImmediate(resolve));
    let limit = this.queue.length < WORTH_SPLITTING ? MAX_APPENDS : Math.ceil(this.queue.length / 2);
    let answerLast = (): void => undefined;
    while (this.queue.length > 0) {
      const committed = this.commit(this.takeBatch(Math.min(limit, MAX_APPENDS)));
      answerLast();
      answerLast = await committed;
      limit = MAX_APPENDS;
    }
    this.running = undefined;
    answerLast();
  }

  private takeBatch(limit: number): Waiting[] {
    const batch: Waiting[] = [];
    const left: Waiting[] = [];
    const streams = new Set<string>();
    let bytes = 0;
    let full = false;
    for (const waiting of this.queue) {
      const { request, bytes: size } = waiting.append;
      full ||= batch.length >= limit || (batch.length > 0 && bytes + size > MAX_BYTES);
      if (full || streams.has(request.stream)) {
        left.push(waiting);
      } else {
        batch.push(waiting);
        bytes += size;
      }
      streams.add(request.stream);
    }
    this.queue = left;
    return batch;
  }

  /** Never throws. What it resolves to answers those callers who have not been answered yet. */
  private async commit(batch: readonly Waiting[]): Promise<() => void> {
    let waiting = batch;
    for (let attempt = 0; waiting.length > 0; attempt++) {
      try {
        const client = this.client ?? (await this.connect());
        await failpoint('append.batch_taken');
        const now = this.deps.clock.wallMs();
        const answers = await executeAppends(
          client,
          waiting.map((w) => w.append),
          now,
        );
        await failpoint('append.committed');
        const sent = waiting;
        return () => {
          sent.forEach((w, index) => settle(w, answers[index]!));
          failpointNow('append.answered');
        };
      } catch (error) {
        if (classify(error) === 'rejected') return await this.isolate(waiting, error);
        waiting = await this.waitForServer(waiting, error, attempt);
      }
    }
    return () => undefined;
  }

  /** One append that the database refuses must not take the others with it: halves are tried until it stands alone. */
  private async isolate(batch: readonly Waiting[], error: unknown): Promise<() => void> {
    if (batch.length === 1) return () => batch[0]!.reject(rejected(batch[0]!.append.request.stream, error));
    const middle = batch.length >> 1;
    const first = await this.commit(batch.slice(0, middle));
    const second = await this.commit(batch.slice(middle));
    return () => [first, second].forEach((answer) => answer());
  }

  /** Answers those whose patience ended; the rest is to be tried again after a pause. */
  private async waitForServer(batch: readonly Waiting[], error: unknown, attempt: number): Promise<readonly Waiting[]> {
    if (classify(error) === 'lost') this.drop();
    if (attempt === 0)
      this.deps.log.warn({ error: errorMessage(error) }, 'event store: append did not get through; trying again');
    const now = this.deps.clock.monotonicMs();
    const giveUp = (w: Waiting) => this.closing || now >= w.deadline;
    for (const w of batch.filter(giveUp)) w.reject(unavailable('append', error));
    for (const w of this.queue.filter(giveUp)) w.reject(unavailable('append', error));
    this.queue = this.queue.filter((w) => !giveUp(w));
    const left = batch.filter((w) => !giveUp(w));
    if (left.length > 0)
      await sleep(
        this.deps.timers,
        backoffMs(attempt, () => this.deps.random.unit(), 20, 500),
        this.stop.signal,
      );
    return left;
  }

  private async connect(): Promise<pg.Client> {
    const client = new pg.Client({
      ...this.deps.connection,
      application_name: 'drover-committer',
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    });
    client.on('error', () => this.drop(client));
    client.once('end', () => this.drop(client));
    try {
      await client.connect();
      await client.query(SESSION);
    } catch (error) {
      this.discard(client);
      throw error;
    }
    this.client = client;
    return client;
  }

  private drop(client = this.client): void {
    if (client === undefined || this.client !== client) return;
    this.client = undefined;
    this.discard(client);
  }

  private discard(client: pg.Client): void {
    client.end().then(undefined, (error: unknown) => {
      this.deps.log.debug({ error: errorMessage(error) }, 'event store: a broken connection did not close cleanly');
    });
  }
}

const settle = (waiting: Waiting, answer: AppendAnswer): void => {
  if (answer instanceof Error) waiting.reject(answer);
  else waiting.resolve(answer);
};

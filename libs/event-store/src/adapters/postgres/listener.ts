import pg from 'pg';
import { backoffMs, errorMessage, sleep, type Log, type Random, type Timers, failpoint } from '#kernel';

export interface ListenerDeps {
  readonly connection: pg.ClientConfig;
  readonly timers: Timers;
  readonly random: Pick<Random, 'unit'>;
  readonly log: Log;
  /** Subscribers look again after this long even without a notification, in milliseconds. */
  readonly pollMs: number;
}

/** One LISTEN connection for all subscriptions of a store. Losing it costs latency only, because of the poll. */
export class AppendListener {
  private readonly waiters = new Set<() => void>();
  private readonly stop = new AbortController();
  private loop: Promise<void> | undefined;
  private client: pg.Client | undefined;
  private notified = 0;

  constructor(private readonly deps: ListenerDeps) {}

  /** A mark to take before reading; `changedSince` it returns at once when something came in between. */
  mark(): number {
    this.loop ??= this.listen();
    return this.notified;
  }

  /** Resolves on the next notification after `mark`, after the poll interval, on abort, or on close. */
  changedSince(mark: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.waiters.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.deps.timers.after(this.deps.pollMs, done);
      this.waiters.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (this.notified !== mark || signal.aborted || this.stop.signal.aborted) done();
    });
  }

  async close(): Promise<void> {
    this.stop.abort();
    this.wake();
    await this.client?.end();
    await this.loop;
  }

  private wake(): void {
    this.notified++;
    for (const wake of [...this.waiters]) wake();
  }

  private async listen(): Promise<void> {
    for (let attempt = 0; !this.stop.signal.aborted; attempt++) {
      const client = new pg.Client({
        ...this.deps.connection,
        application_name: 'drover-listener',
        keepAlive: true,
        connectionTimeoutMillis: 5_000,
      });
      try {
        await this.serve(client);
        attempt = 0;
      } catch (error) {
        this.deps.log.debug({ error: errorMessage(error), attempt }, 'event store: the listening connection failed');
      }
      await sleep(
        this.deps.timers,
        backoffMs(attempt, () => this.deps.random.unit(), 50, 2_000),
        this.stop.signal,
      );
    }
  }

  /** Until the connection ends. */
  private async serve(client: pg.Client): Promise<void> {
    client.on('notification', () => this.wake());
    const ended = new Promise<void>((resolve) => {
      client.once('end', resolve);
      client.on('error', () => resolve());
    });
    await client.connect();
    if (this.stop.signal.aborted) return client.end();
    this.client = client;
    await client.query('LISTEN es_appended');
    await failpoint('subscription.listening');
    this.wake(); // What was appended while nobody listened.
    await ended;
    this.client = undefined;
  }
}

import pg from 'pg';
import { PostgresEventStore } from '../adapters/postgres/postgres-event-store.js';
import { EventStoreUnavailableError, type AppendOutcome, type AppendRequest, type NewEvent } from '../port.js';
import { CuttingProxy, type Cut, type Direction } from './cutting-proxy.js';
import type { TestDatabase } from './test-postgres.js';

/** The statement is prepared in a connection's first exchange; all later ones only bind and execute it. */
export type Exchange = 'first' | 'later';

export interface CutReport {
  readonly exchange: Exchange;
  readonly bytes: Readonly<Record<Direction, number>>;
  readonly cuts: number;
  /** After how many cuts the first try turned out to be in the log. */
  readonly committed: number;
  /** How many callers had their answer in spite of the cut. */
  readonly answered: number;
  readonly problems: readonly string[];
}

export interface AmbiguousOptions {
  /** 0: each loss goes to the caller, who repeats the append. Else the store repeats it itself. */
  readonly patienceMs: number;
  readonly stream: string;
  newEvent(): NewEvent;
}

const STATEMENT = 'es_append';
const HERE = `datname = current_database() AND application_name = 'drover-committer'`;

/**
 * An append is one statement and its own transaction, so its exchange is the COMMIT exchange. The connection is cut after
 * each byte of it, and the same append is made again. Whether the first try has committed is asked on the side, when its
 * backend is gone and nothing can change any more.
 */
export class AmbiguousCommits {
  private version = 0;
  private connected = false;
  private readonly expected: string[] = [];

  private constructor(
    private readonly side: pg.Client,
    private readonly proxy: CuttingProxy,
    private readonly store: PostgresEventStore,
    private readonly options: AmbiguousOptions,
  ) {}

  static async open(database: TestDatabase, options: AmbiguousOptions): Promise<AmbiguousCommits> {
    const side = new pg.Client(database.connection);
    await side.connect();
    const proxy = await CuttingProxy.inFrontOf(database.connection, STATEMENT);
    const store = new PostgresEventStore({ connection: proxy.connection, patienceMs: options.patienceMs });
    return new AmbiguousCommits(side, proxy, store, options);
  }

  async close(): Promise<void> {
    await this.store.close();
    await this.side.end();
    await this.proxy.close();
  }

  /** Cuts after 0, `stride`, 2 × `stride`, … bytes and after the last one, of the request and of the answer. */
  async run(exchange: Exchange, stride: number): Promise<CutReport> {
    const bytes = await this.measure(exchange);
    const problems: string[] = [];
    let [cuts, committed, answered] = [0, 0, 0];
    for (const direction of ['request', 'answer'] as const) {
      for (let at = 0; at < bytes[direction] + stride; at += stride) {
        const cut = { direction, after: Math.min(at, bytes[direction]) };
        const one = await this.cutOnce(exchange, cut);
        cuts++;
        if (one.wasThere) committed++;
        if (one.first !== undefined) answered++;
        if (one.problem !== undefined) problems.push(`${exchange} ${direction} after ${cut.after}: ${one.problem}`);
      }
    }
    problems.push(...(await this.problemsOfLog()));
    return { exchange, bytes, cuts, committed, answered, problems };
  }

  private async measure(exchange: Exchange): Promise<Readonly<Record<Direction, number>>> {
    await this.standReady(exchange);
    this.proxy.watch();
    await this.surely(this.request());
    return this.proxy.passed;
  }

  private async cutOnce(exchange: Exchange, cut: Cut) {
    await this.standReady(exchange);
    const request = this.request();
    this.proxy.watch(cut);
    let first = await this.attempt(request);
    // The end of the connection before this exchange may be noticed only now; nothing of the exchange has happened then.
    while (first === undefined && this.proxy.waiting) first = await this.attempt(request);
    this.connected = this.options.patienceMs > 0;
    if (this.proxy.waiting) return { wasThere: false, first, problem: 'the exchange ended before the cut' };
    if (!this.connected) await this.backendGone();
    const wasThere = await this.isThere(request);
    const retry = await this.surely(request);
    return { wasThere, first, problem: judge(first, wasThere, retry) };
  }

  private async standReady(exchange: Exchange): Promise<void> {
    if (exchange === 'first' && this.connected) {
      this.proxy.hangUp();
      await this.backendGone();
      this.connected = false;
    } else if (exchange === 'later' && !this.connected) await this.surely(this.request());
  }

  private request(): AppendRequest {
    const event = this.options.newEvent();
    this.expected.push(event.id);
    return { stream: this.options.stream, expected: this.version, events: [event] };
  }

  private async attempt(request: AppendRequest): Promise<AppendOutcome | undefined> {
    try {
      return await this.store.append(request);
    } catch (error) {
      if (error instanceof EventStoreUnavailableError) return undefined;
      throw error;
    }
  }

  private async surely(request: AppendRequest): Promise<AppendOutcome> {
    for (;;) {
      const outcome = await this.attempt(request);
      if (outcome === undefined) continue;
      this.connected = true;
      if (outcome.kind !== 'conflict') this.version = outcome.version;
      return outcome;
    }
  }

  private async backendGone(): Promise<void> {
    for (;;) {
      const { rows } = await this.side.query(`SELECT FROM pg_stat_activity WHERE ${HERE}`);
      if (rows.length === 0) return;
      await this.side.query('SELECT pg_stat_clear_snapshot(), pg_sleep(0.001)');
    }
  }

  private async isThere({ events }: AppendRequest): Promise<boolean> {
    const { rows } = await this.side.query('SELECT FROM es.events WHERE id = $1', [events[0]!.id]);
    return rows.length === 1;
  }

  /** Every event once, in the order in which they were appended, at dense versions and positions. */
  private async problemsOfLog(): Promise<string[]> {
    const { rows } = await this.side.query<{ id: string; version: string; position: string }>(
      'SELECT id, version, position FROM es.events WHERE stream = $1 ORDER BY position',
      [this.options.stream],
    );
    const same = JSON.stringify(rows.map((row) => row.id)) === JSON.stringify(this.expected);
    const dense = rows.every((row, index) => Number(row.version) === index + 1 && Number(row.position) === index + 1);
    return [
      ...(same ? [] : [`the log has ${rows.length} events of ${this.expected.length}, or another order`]),
      ...(dense ? [] : ['versions or positions have gaps']),
    ];
  }
}

const judge = (first: AppendOutcome | undefined, wasThere: boolean, retry: AppendOutcome): string | undefined => {
  if (first?.kind === 'conflict') return 'the first try met a conflict with itself';
  if (first !== undefined && !wasThere) return `the first try was answered ${first.kind} and is not in the log`;
  const expected = wasThere ? 'duplicate' : 'appended';
  return retry.kind === expected ? undefined : `the retry was answered ${retry.kind}, expected ${expected}`;
};

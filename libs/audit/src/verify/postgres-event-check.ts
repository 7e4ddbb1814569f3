import type pg from 'pg';
import {
  beyondProblem,
  GENESIS_POINT,
  headProblem,
  readLogHead,
  storedPoint,
  type ChainPoint,
  type LogHead,
} from '#event-store';
import type { StoredLog } from '../log/stored-log.js';
import type { SealStore } from '../seals/seal-store.js';
import type { Chunk, ChunkOutcome } from './chunk.js';
import type { ChunkRunner } from './chunk-runner.js';
import { sealMismatch, type EventCheck, type EventCheckRequest, type EventsReport } from './event-check.js';
import type { Finding, SealedRange } from './findings.js';
import { locate } from './locate.js';

/** About a second of work. */
const CHUNK_EVENTS = 50_000n;

export interface PostgresEventCheckOptions {
  readonly pool: pg.Pool;
  readonly log: StoredLog;
  readonly store: Pick<SealStore, 'evidence'>;
  /** Made for one check and closed after it. */
  readonly runner: () => ChunkRunner;
}

/** Every row of es.events, every derived column, the head and the streams' counts; chunks in parallel. */
export class PostgresEventCheck implements EventCheck {
  constructor(private readonly options: PostgresEventCheckOptions) {}

  async run(request: EventCheckRequest): Promise<EventsReport> {
    const { pool } = this.options;
    // The seals were read before: what they cover lies before this head, unless the log was cut.
    const head = await readLogHead(pool);
    const plan = planOf(request, head);
    const { end, finding } = await this.chunks(plan, request.progress);
    const findings = finding === undefined ? [] : [finding];
    if (finding === undefined && plan.complete) findings.push(...(await this.ends(head, end)));
    return {
      findings,
      events: Number(end.position - plan.start.from),
      through: end.position,
      chain: Buffer.from(end.chainHash).toString('hex'),
      complete: plan.complete || finding !== undefined,
    };
  }

  /** In order of the log, though several are under way at once: the first finding is the first one of the log. */
  private async chunks({ start, chunks: plans }: Plan, progress: EventCheckRequest['progress']) {
    const runner = this.options.runner();
    const started: Promise<ChunkOutcome>[] = [];
    let end: ChainPoint = await this.start(start);
    try {
      for (let next = 0; next < plans.length; next++) {
        for (let n = started.length; n < Math.min(plans.length, next + runner.lanes); n++) {
          started.push(this.begin(runner, plans[n]!));
        }
        const plan = plans[next]!;
        const outcome = await started[next]!;
        if (outcome.kind !== 'intact') return { end, finding: await this.finding(plan, outcome) };
        progress?.(Number(outcome.end.position - end.position));
        end = outcome.end;
      }
      return { end, finding: undefined };
    } finally {
      await Promise.allSettled(started);
      await runner.close();
    }
  }

  private async begin(runner: ChunkRunner, plan: PlannedChunk): Promise<ChunkOutcome> {
    return runner.run({ ...plan, after: await this.start(plan) } satisfies Chunk);
  }

  /** A seal's word goes before what is stored; without one, what is stored has been checked with the chunk before. */
  private async start({ from, chain }: PlanStart): Promise<ChainPoint> {
    const stored = await storedPoint(this.options.pool, from);
    const recordedMs = stored?.recordedMs ?? 0;
    return { position: from, chainHash: chain ?? stored?.chainHash ?? GENESIS_POINT.chainHash, recordedMs };
  }

  /** Whoever rewrites an event and some that follow breaks the chain behind it: the seal tells where it began. */
  private async finding(plan: PlannedChunk, outcome: Exclude<ChunkOutcome, { kind: 'intact' }>): Promise<Finding> {
    const range = outcome.range === undefined ? undefined : plan.ranges[outcome.range];
    const first = range && (await locate(this.options.log, this.options.store, range));
    if (outcome.kind === 'resealed') {
      const where = first ?? { position: range!.after + 1n, exact: false };
      return { kind: 'event', position: where.position, reason: sealMismatch(range!, where.exact) };
    }
    const { position, reason } = outcome;
    if (range === undefined || first?.exact !== true || first.position >= position)
      return { kind: 'event', position, reason };
    return { kind: 'event', position: first.position, reason: sealMismatch(range, true) };
  }

  private async ends(head: LogHead, end: ChainPoint): Promise<Finding[]> {
    const { pool } = this.options;
    const problem = headProblem(head, end) ?? (await beyondProblem(pool));
    const findings: Finding[] =
      problem === undefined ? [] : [{ kind: 'event', position: end.position, reason: problem }];
    const stream = await streamProblem(pool);
    if (stream !== undefined) findings.push(stream);
    return findings;
  }
}

interface PlanStart {
  readonly from: bigint;
  /** Of the log at `from`, when a seal says it. */
  readonly chain: Uint8Array | undefined;
}

interface PlannedChunk extends PlanStart, Omit<Chunk, 'after' | 'ranges'> {
  readonly ranges: readonly SealedRange[];
}

interface Plan {
  readonly start: PlanStart;
  /** None when there is nothing after the start. */
  readonly chunks: readonly PlannedChunk[];
  /** They reach the end of the log. */
  readonly complete: boolean;
}

/** Cuts the log into chunks that end with seals, and the rest that no seal covers. */
const planOf = ({ ranges, after, maxEvents }: EventCheckRequest, head: LogHead): Plan => {
  const due = ranges.filter((range) => range.to > after);
  const before = ranges.filter((range) => range.to <= after).at(-1);
  const start = { from: before?.to ?? 0n, chain: before && Buffer.from(before.chain, 'hex') };
  const chunks: PlannedChunk[] = [];
  let { from: at, chain }: PlanStart = start;
  const add = (through: bigint, own: readonly SealedRange[]) => {
    chunks.push({ from: at, chain, ranges: own, through, deep: own.length === 0 });
    at = through;
    chain = own.length === 0 ? undefined : Buffer.from(own.at(-1)!.chain, 'hex');
  };
  for (let next = 0; next < due.length;) {
    if (at - start.from >= BigInt(maxEvents)) return { chunks, complete: false, start };
    // A gap between trusted seals: its rows are checked against each other.
    if (due[next]!.after > at) add(due[next]!.after, []);
    const own: SealedRange[] = [];
    do own.push(due[next++]!);
    while (next < due.length && due[next]!.after === own.at(-1)!.to && own.at(-1)!.to - at < CHUNK_EVENTS);
    add(own.at(-1)!.to, own);
  }
  while (at < head.position) {
    if (at - start.from >= BigInt(maxEvents)) return { chunks, complete: false, start };
    add(head.position < at + CHUNK_EVENTS ? head.position : at + CHUNK_EVENTS, []);
  }
  return { chunks, complete: true, start };
};

/** Streams count their events in a table of their own: what was cut from the end shows there, even before a seal covers it. */
const streamProblem = async (pool: pg.Pool): Promise<Finding | undefined> => {
  const { rows } = await pool.query<{
    stream: string;
    known: string;
    last: string;
    events: string;
    at: string;
    head: string;
  }>(`
    SELECT stream, coalesce(s.version, 0) AS known, coalesce(e.last, 0) AS last, coalesce(e.events, 0) AS events,
           coalesce(e.at, 0) AS at, (SELECT position FROM es.log_head) AS head
      FROM es.streams s FULL JOIN (
        SELECT stream, max(version) AS last, count(*) AS events, max(position) AS at FROM es.events GROUP BY stream) e USING (stream)
     WHERE s.version IS DISTINCT FROM e.last OR e.events <> e.last ORDER BY at DESC LIMIT 1`);
  const row = rows[0];
  if (row === undefined) return undefined;
  const [known, last] = [BigInt(row.known), BigInt(row.last)];
  const position = known > last ? BigInt(row.head) + 1n : BigInt(row.at);
  return {
    kind: 'stream',
    position,
    reason: `stream ${row.stream} has ${known} events by its own count, the log has ${row.events} of it, the last of version ${last}`,
  };
};

import { CHAIN_GENESIS, errorMessage, failpoint, isoTime, sleep, type Clock, type Log, type Timers } from '#kernel';
import { FencedError } from '#processing';
import type { StoredLog } from '../log/stored-log.js';
import { KeyHistory } from '../proof/keys.js';
import { NO_PREVIOUS, parseSeal, sealHash, sealMessage, type Seal } from '../proof/seal.js';
import type { KeyRing } from './key-ring.js';
import { Pending } from './pending.js';
import { SealExport, SinkDisagreesError } from './seal-export.js';
import type { SealSink } from './seal-sink.js';
import type { SealStore } from './seal-store.js';

export interface SealerOptions {
  readonly log: StoredLog;
  readonly store: SealStore;
  readonly keys: KeyRing;
  /** Absent where nothing outlives the process. */
  readonly sink?: SealSink;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Log;
  /** A seal covers at most this many events. */
  readonly everyEvents: number;
  /** No event waits longer than this for its seal, milliseconds. */
  readonly everyMs: number;
}

const POLL_MS = 1_000;
const MAX_WAIT_MS = 30_000;
const READ = 250;

/**
 * Seals the log: a signed Merkle root over every run of events, chained, in the database and in a file outside of it. Runs where
 * the lead is. Seals are not events, or an idle log would grow by sealing itself. What does not fit its hashes is not sealed:
 * the sealer stops there and says so until it does.
 */
export class Sealer {
  private trouble: string | undefined;
  private exporting: number | undefined;
  private readonly pokes = new Set<() => void>();

  constructor(private readonly options: SealerOptions) {
    if (!(options.everyEvents >= 1 && options.everyEvents <= 100_000))
      throw new RangeError('everyEvents: 1 to 100,000');
  }

  /** In words, why nothing is sealed; undefined when all is well. */
  get problem(): string | undefined {
    return this.trouble;
  }

  /**
   * The epoch in which this process has brought the sink up to the database, while it leads: from then on all that counts as
   * exported went to this sink. Before, the leader before it may have exported elsewhere, to a file that only it sees.
   */
  get exportsIn(): number | undefined {
    return this.exporting;
  }

  /** Looks at once, not at the next second. */
  poke(): void {
    for (const wake of this.pokes) wake();
  }

  /** One term of leadership. Throws FencedError when a later leader has taken over; everything else is tried again. */
  async run(term: { readonly epoch: number; readonly signal: AbortSignal }): Promise<void> {
    try {
      await this.lead(term);
    } finally {
      this.exporting = undefined;
    }
  }

  private async lead(term: { readonly epoch: number; readonly signal: AbortSignal }): Promise<void> {
    const { signal } = term;
    const reached: Reached = {
      // What kept it from sealing is over, though bringing the seal to the sink takes a moment more.
      sealed: () => void (this.trouble = run?.sinkTrouble),
      exported: () => void (this.exporting = term.epoch),
    };
    let run: SealRun | undefined;
    for (let failures = 0; !signal.aborted;) {
      try {
        run ??= await SealRun.open(this.options, term.epoch, reached);
        await run.sealDue(signal);
        failures = 0;
        // One that was cut off may have looked at nothing: what was wrong before still is.
        if (!signal.aborted || run.sinkTrouble !== undefined) this.trouble = run.sinkTrouble;
      } catch (error) {
        if (error instanceof FencedError) throw error;
        run = undefined;
        this.report(error, failures++);
      }
      await this.wait(Math.min(POLL_MS * 2 ** Math.min(failures, 5), MAX_WAIT_MS), signal);
    }
    // A platform that stops in order leaves nothing unsealed behind.
    try {
      await run?.sealRest();
      if (run?.sinkTrouble !== undefined) this.trouble = run.sinkTrouble;
    } catch (error) {
      this.trouble = errorMessage(error);
      this.options.logger.warn({ error: this.trouble }, 'the end of the log could not be sealed on stopping');
    }
  }

  private report(error: unknown, failures: number): void {
    const message = errorMessage(error);
    if (failures === 0 || message !== this.trouble)
      this.options.logger.error({ error: message }, 'the log is not sealed');
    this.trouble = message;
  }

  private async wait(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.pokes.add(wake);
    await sleep(this.options.timers, ms, AbortSignal.any([signal, woken.signal]));
    this.pokes.delete(wake);
  }
}

/** What the sealer is told at once. */
interface Reached {
  sealed(): void;
  exported(): void;
}

/** What one leader knows of the seals so far, and the events that wait for the next one. */
class SealRun {
  private pending: Pending;
  private pendingSinceMs = 0;
  private readonly export: SealExport | undefined;
  /** Why the sink lacks seals that the database has; they are brought there later. */
  sinkTrouble: string | undefined;

  private constructor(
    private readonly options: SealerOptions,
    private readonly epoch: number,
    private readonly reached: Reached,
    private last: { readonly seq: number; readonly hash: string },
    after: { readonly position: bigint; readonly chain: Uint8Array },
  ) {
    this.pending = new Pending(after.position, after.chain, options.log.nativeChain);
    this.export = options.sink && new SealExport(options.store, options.sink, epoch);
  }

  static async open(options: SealerOptions, epoch: number, reached: Reached): Promise<SealRun> {
    const { store, keys } = options;
    await store.claim(epoch);
    const { sealSeq } = await store.head();
    const genesis = { position: 0n, chain: CHAIN_GENESIS };
    let run: SealRun;
    if (sealSeq === 0) run = new SealRun(options, epoch, reached, { seq: 0, hash: NO_PREVIOUS }, genesis);
    else {
      await keys.current();
      const seal = await trustedSeal(store, sealSeq);
      const after = { position: BigInt(seal.to), chain: Buffer.from(seal.chain, 'hex') };
      run = new SealRun(options, epoch, reached, { seq: seal.seq, hash: sealHash(seal) }, after);
    }
    // What a crash kept from the sink goes there first.
    await run.toSink();
    return run;
  }

  /** Makes every seal that is due by now. */
  async sealDue(signal: AbortSignal): Promise<void> {
    const { everyEvents, everyMs, clock, store } = this.options;
    const before = this.last.seq;
    while (!signal.aborted) {
      await this.take();
      const isFull = this.pending.count >= everyEvents;
      const isOld = this.pending.count > 0 && clock.monotonicMs() - this.pendingSinceMs >= everyMs;
      const isWanted = this.pending.count > 0 && (await store.head()).wanted >= this.pending.first;
      if (!(isFull || isOld || isWanted)) break;
      await this.seal();
      if (this.last.seq % EXPORT_EVERY === 0) await this.toSink();
    }
    if (this.last.seq !== before || this.sinkTrouble !== undefined) await this.toSink();
  }

  async sealRest(): Promise<void> {
    await this.take();
    if (this.pending.count > 0) await this.seal();
    await this.toSink();
  }

  /** A sink that cannot be written keeps nobody from sealing; one that tells another story does. */
  private async toSink(): Promise<void> {
    try {
      await this.export?.run();
      this.reached.exported();
      this.sinkTrouble = undefined;
    } catch (error) {
      if (error instanceof FencedError || error instanceof SinkDisagreesError) throw error;
      this.options.logger.warn(
        { error: errorMessage(error) },
        'seals could not be written to the file outside the database',
      );
      this.sinkTrouble = errorMessage(error);
    }
  }

  private async take(): Promise<void> {
    const { log, clock, everyEvents } = this.options;
    while (this.pending.count < everyEvents) {
      const events = await log.read(this.pending.last, Math.min(READ, everyEvents - this.pending.count));
      if (events.length === 0) return;
      if (this.pending.count === 0) this.pendingSinceMs = clock.monotonicMs();
      for (const event of events) this.pending.add(event);
    }
  }

  private async seal(): Promise<void> {
    const { store, keys, clock, log } = this.options;
    const { pending } = this;
    const key = await keys.current();
    const body = {
      v: 1 as const,
      seq: this.last.seq + 1,
      from: String(pending.first),
      to: String(pending.last),
      events: pending.count,
      root: pending.root(),
      chain: pending.chain.toString('hex'),
      previous: this.last.hash,
      sealed_at: isoTime(clock.wallMs()),
      key: key.record.key,
    };
    const seal: Seal = { ...body, signature: key.sign(sealMessage(body)) };
    const places = pending.placeBytes();
    const row = { seal, leaves: pending.leafBytes(), ...(places === undefined ? {} : { places }) };
    await failpoint('seal.signed');
    const added = await store.addSeal(row, key.record.seq, this.epoch);
    await failpoint('seal.added');
    // A key was rotated in between: the next round signs with the new one. Nobody else adds seals in this epoch.
    if (added === 'moved') {
      if ((await store.head()).sealSeq !== this.last.seq) throw new Error('somebody else has added a seal');
      return;
    }
    this.reached.sealed();
    this.last = { seq: body.seq, hash: sealHash(body) };
    this.pending = new Pending(pending.last, pending.chain, log.nativeChain);
  }
}

/** While a long log is sealed for the first time: how many seals may be missing from the sink. */
const EXPORT_EVERY = 100;

/** The last seal, once its signature has been checked: it is what the next one rests on. */
const trustedSeal = async (store: SealStore, seq: number): Promise<Seal> => {
  const row = await store.seal(seq);
  const seal = row && parseSeal(row.line);
  if (seal === undefined)
    throw new Error(`seal ${seq} is ${row === undefined ? 'missing' : 'no seal'}: was it altered?`);
  const history = new KeyHistory(await store.keys());
  const problem = history.problem ?? history.problemOf(seal);
  if (problem !== undefined) throw new Error(problem);
  return seal;
};

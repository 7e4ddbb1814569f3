import { availableParallelism } from 'node:os';
import type pg from 'pg';
import type { Clock, Log, Timers } from '#kernel';
import type { SecretStore } from '#access';
import type { EventStore } from '#event-store';
import type { LedWork } from '#processing';
import { Exporter } from './export/exporter.js';
import { Prover } from './export/prover.js';
import { PostgresStoredLog } from './log/postgres-stored-log.js';
import { PortStoredLog, type StoredLog } from './log/stored-log.js';
import { parseSeal } from './proof/seal.js';
import { FileSealSink } from './seals/file-seal-sink.js';
import { KeyRing } from './seals/key-ring.js';
import { MemorySealStore } from './seals/memory-seal-store.js';
import { PostgresSealStore } from './seals/postgres-seal-store.js';
import { Sealer } from './seals/sealer.js';
import type { SealStore } from './seals/seal-store.js';
import { AuditVerifier } from './verify/audit-verifier.js';
import { inlineRunner, threadsAreAvailable, workerRunner } from './verify/chunk-runner.js';
import { PortEventCheck, type EventCheck } from './verify/event-check.js';
import { PostgresEventCheck } from './verify/postgres-event-check.js';

export interface AuditOfficeOptions {
  /** As it is, not brought to newer schemas: what is sealed is what is stored. */
  readonly store: EventStore;
  /** Absent when everything is in memory. */
  readonly postgres?: { readonly pool: pg.Pool; readonly connection: pg.ClientConfig };
  readonly secrets: SecretStore;
  /** Where seals go outside of the database; absent when everything is in memory. */
  readonly sinkFile?: string;
  readonly sealEvents: number;
  readonly sealMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Log;
}

export interface SealStanding {
  readonly sealedAt: string | null;
  readonly waitingSince: string | null;
  /** As configured: no event should wait longer. */
  readonly sealMs: number;
}

const MAX_THREADS = 4;

/** Everything about the record of the log: sealing, checking, proving, exporting. */
export class AuditOffice implements LedWork {
  readonly log: StoredLog;
  readonly seals: SealStore;
  readonly keys: KeyRing;
  readonly verifier: AuditVerifier;
  readonly prover: Prover;
  readonly exporter: Exporter;
  private readonly sealer: Sealer;

  constructor(private readonly options: AuditOfficeOptions) {
    const { store, postgres, secrets, sinkFile, clock, timers, logger } = options;
    const { nativeChain } = store.capabilities;
    this.log = nativeChain && postgres !== undefined ? new PostgresStoredLog(postgres.pool) : new PortStoredLog(store);
    this.seals = postgres === undefined ? new MemorySealStore() : new PostgresSealStore(postgres.pool);
    this.keys = new KeyRing(this.seals, secrets, clock);
    const sink = sinkFile === undefined ? {} : { sink: new FileSealSink(sinkFile) };
    this.sealer = new Sealer({
      ...{ log: this.log, store: this.seals, keys: this.keys, clock, timers, logger, ...sink },
      everyEvents: options.sealEvents,
      everyMs: options.sealMs,
    });
    this.verifier = new AuditVerifier({
      store: this.seals,
      events: this.eventCheck(),
      exportsIn: () => this.sealer.exportsIn,
      ...sink,
    });
    this.prover = new Prover(this.log, this.seals);
    this.exporter = new Exporter(this.log, this.seals);
  }

  run(term: { readonly epoch: number; readonly signal: AbortSignal }): Promise<void> {
    return this.sealer.run(term);
  }

  /** In words; undefined when sealing goes well. */
  problem(): string | undefined {
    return this.sealer.problem;
  }

  /** When the last seal was made, since when an event waits for the next one (null: no seal, no event), and how long one may. */
  async standing(): Promise<SealStanding> {
    const last = await this.seals.seal((await this.seals.head()).sealSeq);
    const [next] = await this.log.read(last?.to ?? 0n, 1);
    const sealed = last === undefined ? undefined : parseSeal(last.line);
    const { sealMs } = this.options;
    return { sealedAt: sealed?.sealed_at ?? null, waitingSince: next?.recordedAt ?? null, sealMs };
  }

  /** Asks for a seal over everything there is by now and waits for it. False when that did not come in time. */
  async sealNow(waitMs: number): Promise<boolean> {
    const { clock, timers } = this.options;
    const head = await this.log.head();
    const deadline = clock.monotonicMs() + waitMs;
    for (;;) {
      if (await this.isSealed(head)) return true;
      const left = deadline - clock.monotonicMs();
      if (left <= 0 || (left < waitMs - PATIENCE_MS && this.problem() !== undefined)) return false;
      await this.seals.want(head);
      this.sealer.poke();
      await new Promise<void>((resolve) => void timers.after(POLL_MS, resolve));
    }
  }

  private async isSealed(head: bigint): Promise<boolean> {
    if ((await this.seals.sealCovering(head)) !== undefined) return true;
    const last = await this.seals.seal((await this.seals.head()).sealSeq);
    return (await this.log.read(last?.to ?? 0n, 1)).length === 0;
  }

  private eventCheck(): EventCheck {
    const { postgres, store } = this.options;
    const shared = { log: this.log, store: this.seals };
    if (postgres === undefined || !store.capabilities.nativeChain) return new PortEventCheck(this.log, this.seals);
    const { pool, connection } = postgres;
    const threads = Math.min(MAX_THREADS, availableParallelism());
    const runner = () => (threadsAreAvailable() ? workerRunner(connection, threads) : inlineRunner(pool));
    return new PostgresEventCheck({ ...shared, pool, runner });
  }
}

const POLL_MS = 50;
/** For how long a problem may be one that is over. */
const PATIENCE_MS = 2_500;
export const AUDIT_OFFICE = Symbol('AuditOffice');

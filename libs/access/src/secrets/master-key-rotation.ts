import { deterministicUuid, errorMessage, failpoint, refusal, RefusedError, sleep } from '#kernel';
import type { Clock, Log, Random, Timers } from '#kernel';
import type { Position } from '#event-store';
import type { CommandContext, Transactor } from '#processing';
import { DEFAULT_ACCOUNT_ID } from '../application/bootstrap.js';
import { MASTER_KEY_STREAM, masterKeyDecider, type MasterKeyCommand } from '../domain/secrets/master-key.js';
import type { MasterKey, MasterKeys } from './master-keys.js';
import type { RotationRows } from './rotation-rows.js';
import { unwrapKey, wrapKey } from './wrapping.js';

export interface RotationDeps {
  readonly rows: RotationRows;
  readonly keys: MasterKeys;
  readonly transactor: Transactor;
  readonly random: Pick<Random, 'bytes'>;
  readonly clock: Pick<Clock, 'wallMs' | 'monotonicMs'>;
  readonly timers: Timers;
  readonly log: Log;
  /** Of this process. */
  readonly holder: { readonly id: string; readonly label: string };
}

export interface RotationState {
  readonly status: 'rotated' | 'rewrapping' | 'waiting';
  /** Of the key that is in force or being put in force. */
  readonly fingerprint: string;
  readonly left: number;
  /** Processes that lack the next key: nothing is wrapped by it before they have it. */
  readonly waitingFor: readonly string[];
}

const TICK_MS = 5_000;
const POLL_MS = 100;
/** A process that said nothing for so long is gone; one that comes back looks at its files before it opens anything. */
const ALIVE_SECONDS = 20;
const AT_ONCE = 100;

/**
 * Puts another master key in the place of the current one while everything runs: the next key is on the disk of every process
 * first, then data keys are wrapped by it one by one (either key opens its own), then the database says that it is the
 * platform's, then the disk. Every step may be repeated and be the last one of a process; whichever is there goes on.
 */
export class MasterKeyRotation {
  private readonly stopping = new AbortController();
  private loop: Promise<void> | undefined;
  private recorded: string | undefined;
  private trouble: string | undefined;

  constructor(private readonly deps: RotationDeps) {}

  /** In words, why a rotation does not go on; undefined when all is well. */
  get problem(): string | undefined {
    return this.trouble;
  }

  start(): void {
    this.loop ??= this.follow();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.loop;
  }

  /** Begins a rotation unless one is under way or this very request began one before. */
  async begin(context: CommandContext): Promise<{ readonly fingerprint: string; readonly position?: Position }> {
    const { rows, keys, transactor } = this.deps;
    const known = await transactor.read(MASTER_KEY_STREAM, masterKeyDecider);
    const before = known?.state.requests.get(context.commandId);
    if (before !== undefined) return { fingerprint: before };
    const { current, next } = await rows.state();
    await keys.refresh(current);
    const mine = next === undefined ? await keys.prepare() : undefined;
    await failpoint('master_key.prepared');
    const fingerprint = next ?? (await rows.begin(mine!.fingerprint, context.commandId));
    await failpoint('master_key.begun');
    const command = { type: 'start', fingerprint, previous: current!, request: context.commandId } as const;
    const done = await transactor.transact(MASTER_KEY_STREAM, masterKeyDecider, command, context);
    if (done.kind === 'refused') throw new RefusedError(done.refusal);
    return { fingerprint, ...(done.position === undefined ? {} : { position: done.position }) };
  }

  /** Goes on for so long at most, and answers how far it is. */
  async settle(forMs: number): Promise<RotationState> {
    const deadline = this.deps.clock.monotonicMs() + forMs;
    for (;;) {
      const state = await this.step();
      if (state.status === 'rotated' || this.deps.clock.monotonicMs() >= deadline) return state;
      await sleep(this.deps.timers, POLL_MS, this.stopping.signal);
    }
  }

  /** What can be done now of a rotation that is under way. */
  async step(): Promise<RotationState> {
    const { rows, keys } = this.deps;
    const { current, next, left, request } = await rows.state();
    await keys.refresh(current);
    await this.announce();
    if (next === undefined) return this.over(current!);
    const key = keys.find(next)[0];
    const lacking = await rows.lacking(next, ALIVE_SECONDS);
    if (key === undefined || lacking.length > 0)
      return { status: 'waiting', fingerprint: next, left, waitingFor: lacking };
    // Under the request that began it, so that this one is known when it is repeated after the end.
    await this.record({ type: 'start', fingerprint: next, previous: current!, request: request ?? 'resumed' });
    await this.rewrapAll(key);
    if (!(await rows.finish(next))) return { status: 'rewrapping', fingerprint: next, left, waitingFor: [] };
    await failpoint('master_key.finished');
    await keys.refresh(next);
    await this.announce();
    return this.over(next);
  }

  private announce(): Promise<void> {
    const { rows, keys, holder } = this.deps;
    return rows.announce(holder.id, holder.label, keys.fingerprints);
  }

  private async over(fingerprint: string): Promise<RotationState> {
    if (this.recorded !== fingerprint) await this.record({ type: 'finish', fingerprint });
    this.recorded = fingerprint;
    return { status: 'rotated', fingerprint, left: 0, waitingFor: [] };
  }

  private async rewrapAll({ fingerprint, bytes }: MasterKey): Promise<void> {
    const { rows, keys, random } = this.deps;
    for (;;) {
      const batch = await rows.notWrappedBy(fingerprint, AT_ONCE);
      if (batch.length === 0) return;
      for (const old of batch) {
        const dataKey = unwrapKey(keys.find(old.wrappedBy), old.subject, old.keyId, old.wrapped);
        await rows.rewrap(old, wrapKey(bytes, old.subject, old.keyId, dataKey, random), fingerprint);
        await failpoint('master_key.rewrapped');
      }
    }
  }

  private async record(command: MasterKeyCommand): Promise<void> {
    const id = deterministicUuid('master key', command.type, command.fingerprint);
    const done = await this.deps.transactor.transact(MASTER_KEY_STREAM, masterKeyDecider, command, {
      ...{ commandId: id, correlationId: id, causationId: id, accountId: DEFAULT_ACCOUNT_ID },
      actor: { kind: 'system', id: 'master_key_rotation' },
      nowMs: this.deps.clock.wallMs(),
    });
    if (done.kind === 'refused') throw new RefusedError(done.refusal);
  }

  private async follow(): Promise<void> {
    const { timers, log, rows, holder } = this.deps;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const { status, waitingFor } = await this.step();
        this.trouble =
          status === 'waiting'
            ? `the rotation of the master key waits for ${waitingFor.join(', ') || 'a process'} to have master.key.next`
            : undefined;
      } catch (error) {
        const message = errorMessage(error);
        if (message !== this.trouble) log.warn({ error: message }, 'the rotation of the master key does not go on');
        this.trouble = `the rotation of the master key does not go on: ${message}`;
      }
      await sleep(timers, TICK_MS, signal);
    }
    await rows.leave(holder.id).catch((error: unknown) => log.warn({ error: errorMessage(error) }, 'not signed off'));
  }
}

/** Where everything is in memory there is no data key that outlives the process. */
export const nothingToRotate = (): RefusedError =>
  new RefusedError(
    refusal(409, 'nothing_to_rotate', 'this platform keeps everything in memory: its master key ends with it', {
      hint: 'run it with a database',
    }),
  );
export const MASTER_KEY_ROTATION = Symbol('MasterKeyRotation');

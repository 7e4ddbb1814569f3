import { backoffMs, errorMessage, failpoint, type Cancel } from '#kernel';
import type { AgentPorts } from '../ports.js';
import { emptyDesired, parseDesired, serializeDesired, type DesiredState } from './desired-state.js';

type Ports = Pick<AgentPorts, 'files' | 'log' | 'timers' | 'random'>;

/** The desired state on disk, so that a restarted agent converges before the platform answers. */
export class DesiredStore {
  private writing = false;
  private written: Promise<void> = Promise.resolve();
  private ending = false;
  private pending: DesiredState | undefined;
  private failures = 0;
  private retry: Cancel | undefined;
  private closed = false;

  constructor(
    private readonly ports: Ports,
    private readonly path: string,
  ) {}

  async load(): Promise<DesiredState> {
    const bytes = await this.ports.files.read(this.path);
    if (bytes === undefined) return emptyDesired;
    const desired = parseDesired(bytes.toString('utf8'));
    if (desired === undefined)
      this.ports.log.warn({ path: this.path }, 'cached desired state is damaged, starting without it');
    return desired ?? emptyDesired;
  }

  /** Writes the newest state; states that come while a write runs replace each other. A cache may lag, never lie. */
  save(desired: DesiredState): void {
    this.pending = desired;
    this.write();
  }

  /** Before the agent stops: the newest state is tried once more, and whether there is room is not waited for. */
  async finish(): Promise<void> {
    this.ending = true;
    this.retry?.();
    await this.written;
    this.write();
    await this.written;
    this.close();
  }

  /** Nothing is written any more: the folder may be taken away. */
  close(): void {
    this.closed = true;
    this.retry?.();
  }

  private write(): void {
    if (!this.writing) this.written = this.drain();
  }

  private async drain(): Promise<void> {
    this.retry?.();
    this.writing = true;
    while (this.pending !== undefined && !this.closed) {
      const next = this.pending;
      this.pending = undefined;
      try {
        await this.ports.files.write(this.path, serializeDesired(next), 0o600);
        this.failures = 0;
        await failpoint('agent.desired_saved');
      } catch (error) {
        this.pending ??= next;
        this.later(error);
        break;
      }
    }
    this.writing = false;
  }

  /** On a full disk the last word of the platform would be lost with this life of the agent: there may be room later. */
  private later(error: unknown): void {
    const { log, timers, random } = this.ports;
    const wait = backoffMs(this.failures++, () => random.unit(), 1_000, 15_000);
    log.error({ error: errorMessage(error), retry_in_ms: wait }, 'cannot cache the desired state');
    if (!this.closed && !this.ending) this.retry = timers.after(wait, () => this.write());
  }
}

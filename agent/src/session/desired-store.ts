import { errorMessage, type Log, failpoint } from '#kernel';
import type { Files } from '../ports.js';
import { emptyDesired, parseDesired, serializeDesired, type DesiredState } from './desired-state.js';

/** The desired state on disk, so that a restarted agent converges before the platform answers. */
export class DesiredStore {
  private writing = false;
  private pending: DesiredState | undefined;

  constructor(
    private readonly files: Files,
    private readonly path: string,
    private readonly log: Log,
  ) {}

  async load(): Promise<DesiredState> {
    const bytes = await this.files.read(this.path);
    if (bytes === undefined) return emptyDesired;
    const desired = parseDesired(bytes.toString('utf8'));
    if (desired === undefined)
      this.log.warn({ path: this.path }, 'cached desired state is damaged, starting without it');
    return desired ?? emptyDesired;
  }

  /** Writes the newest state; states that come while a write runs replace each other. A cache may lag, never lie. */
  save(desired: DesiredState): void {
    this.pending = desired;
    if (!this.writing) void this.drain();
  }

  private async drain(): Promise<void> {
    this.writing = true;
    while (this.pending !== undefined) {
      const next = this.pending;
      this.pending = undefined;
      try {
        await this.files.write(this.path, serializeDesired(next), 0o600);
        await failpoint('agent.desired_saved');
      } catch (error) {
        this.log.error({ error: errorMessage(error) }, 'cannot cache the desired state');
      }
    }
    this.writing = false;
  }
}

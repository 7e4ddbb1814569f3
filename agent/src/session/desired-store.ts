import { backoffMs, errorMessage, failpoint, type Cancel } from '#kernel';
import type { AgentPorts } from '../ports.js';
import { emptyDesired, parseDesired, serializeDesired, type DesiredState, type SectionData } from './desired-state.js';

type Ports = Pick<AgentPorts, 'files' | 'log' | 'timers' | 'random'>;

/** How long an agent that stops waits for its disk. Everything else that it has to end comes after that. */
const FINISH_MS = 5_000;

/** The desired state on disk, so that a restarted agent converges before the platform answers. */
export class DesiredStore {
  private writing = false;
  private written: Promise<void> = Promise.resolve();
  private ending = false;
  private pending: DesiredState | undefined;
  private newest: DesiredState = emptyDesired;
  private saved: DesiredState = emptyDesired;
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
    return (this.newest = this.saved = desired ?? emptyDesired);
  }

  /** Writes the newest state; states that come while a write runs replace each other. A cache may lag, never lie. */
  save(desired: DesiredState): void {
    this.pending = this.newest = desired;
    this.write();
  }

  /** Before the agent stops: the newest state is tried once more. Neither room nor a disk that hangs is waited for. */
  async finish(): Promise<void> {
    this.ending = true;
    this.retry?.();
    let cancel: Cancel = () => undefined;
    const hangs = new Promise<boolean>((resolve) => {
      cancel = this.ports.timers.after(FINISH_MS, () => resolve(true));
    });
    if (await Promise.race([this.tryOnceMore(), hangs]))
      this.ports.log.error(
        { path: this.path, waited_ms: FINISH_MS, lost: unsaved(this.newest, this.saved) },
        'the disk hangs: what the platform said last is not in the cache; it says it again when the agent is back',
      );
    cancel();
    this.close();
  }

  private async tryOnceMore(): Promise<false> {
    await this.written;
    this.write();
    await this.written;
    return false;
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
        this.saved = next;
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

/** Sections that are not on disk as they were heard last, with both generations. */
const unsaved = (newest: DesiredState, saved: DesiredState): string[] => {
  const before = saved.storeEpoch === newest.storeEpoch ? saved.sections : new Map<string, SectionData>();
  const changed = [...newest.sections].filter(([name, { hash }]) => before.get(name)?.hash !== hash);
  const gone = [...saved.sections.keys()].filter((name) => !newest.sections.has(name));
  return [
    ...changed.map(([name, { generation }]) => `${name}: ${generation}, not ${before.get(name)?.generation ?? 'any'}`),
    ...gone.map((name) => `${name}: gone`),
  ];
};

import type { Clock } from '#kernel';
import type { Processes } from '../ports.js';

/** A WireGuard session is renewed every two minutes; an answer here is asked for more often than it goes stale. */
const FRESH_MS = 20_000;
const RETRY_MS = 1_000;

interface Seen {
  answeredAt: number;
  askedAt: number;
  asking: boolean;
}

/** Whether underlay addresses answer, for overlays in which no handshake tells. Asking never delays who wants to know. */
export class Reachability {
  private readonly seen = new Map<string, Seen>();

  constructor(
    private readonly processes: Pick<Processes, 'run'>,
    private readonly clock: Clock,
  ) {}

  /** Milliseconds since the epoch; 0 when it has not answered yet. */
  lastAnswerMs(address: string): number {
    const seen = this.seen.get(address) ?? { answeredAt: 0, askedAt: -Infinity, asking: false };
    this.seen.set(address, seen);
    const now = this.clock.wallMs();
    const isFresh = now - seen.answeredAt < FRESH_MS;
    if (!isFresh && !seen.asking && now - seen.askedAt >= RETRY_MS) void this.ask(address, seen);
    return seen.answeredAt;
  }

  private async ask(address: string, seen: Seen): Promise<void> {
    seen.asking = true;
    seen.askedAt = this.clock.wallMs();
    try {
      const { code } = await this.processes.run('ping', ['-n', '-c', '1', '-W', '1', address]);
      if (code === 0) seen.answeredAt = this.clock.wallMs();
    } finally {
      seen.asking = false;
    }
  }
}

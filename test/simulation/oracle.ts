import type { Sniffed } from './sim-network.js';

interface Beat {
  readonly sentAt: number;
  readonly by: Set<string>;
}

/**
 * How long each node may hold at most, computed from nothing but the messages on the wire: until TTL after it sent a beat
 * that a majority confirmed. It shares no code with the lease.
 */
export class LeaseOracle {
  private readonly beats = new Map<string, Beat>();
  private readonly until = new Map<string, number>();
  private readonly yielded = new Map<string, number>();

  constructor(
    private readonly majority: number,
    private readonly ttlMs: number,
    private readonly nameOf: (address: string) => string | undefined,
  ) {}

  overlay(now: number, from: string, to: string, { message }: Sniffed): void {
    const sender = this.nameOf(from);
    const receiver = this.nameOf(to);
    if (sender === undefined || receiver === undefined) return;
    if (message.kind === 'beat') this.beat(now, sender, message.epoch, message.seq);
    if (message.kind === 'yield') this.yielded.set(sender, Math.max(message.epoch, this.yielded.get(sender) ?? 0));
    if (message.kind === 'confirm') this.confirm(receiver, sender, message.epoch, message.seq);
  }

  /** A beat goes out to several voters; the first one that leaves counts, and the sender votes for itself. */
  beat(now: number, sender: string, epoch: number, seq: number): void {
    const key = `${sender} ${epoch} ${seq}`;
    if (!this.beats.has(key)) this.beats.set(key, { sentAt: now, by: new Set([sender]) });
  }

  confirm(holder: string, by: string, epoch: number, seq: number): void {
    const beat = this.beats.get(`${holder} ${epoch} ${seq}`);
    if (beat === undefined) return;
    beat.by.add(by);
    if (beat.by.size >= this.majority)
      this.until.set(holder, Math.max(beat.sentAt + this.ttlMs, this.until.get(holder) ?? 0));
  }

  untilOf(node: string): number {
    return this.until.get(node) ?? 0;
  }

  hasYielded(node: string, epoch: number): boolean {
    return (this.yielded.get(node) ?? 0) >= epoch;
  }
}

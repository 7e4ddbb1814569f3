import { stepLease } from './lease-step.js';
import {
  initialLease,
  isHeld,
  nextWake,
  type LeaseConfig,
  type LeaseEffect,
  type LeaseMessage,
  type LeaseRules,
  type LeaseState,
} from './lease.js';

export interface Schedule {
  readonly nodes: number;
  readonly events: readonly ScheduleEvent[];
  /** Uniform [0, 1) draws for loss and delay. */
  readonly unit: () => number;
  readonly loss: number;
  readonly maxDelayMs: number;
}

export type ScheduleEvent =
  /** The node does nothing for so long; what arrives meanwhile waits. */
  | { readonly kind: 'pause'; readonly at: number; readonly node: number; readonly forMs: number }
  | { readonly kind: 'restart'; readonly at: number; readonly node: number }
  /** The platform moves the VIP; nodes hear of it at different times, or never. */
  | {
      readonly kind: 'move';
      readonly at: number;
      readonly to: number;
      readonly heardAfter: readonly (number | null)[];
    };

interface Node {
  state: LeaseState;
  stored: { promised: number; grantEpoch: number };
  pausedUntil: number;
  epoch: number;
  holder: number;
}

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly node: number;
  readonly deliver: (now: number) => void;
}

const BEAT = 200;
const TTL = 600;

/**
 * A cluster of lease machines on one virtual clock, with loss, delay, pauses and restarts. Answers every instant at
 * which two nodes were inside their lease: a paused node counts, because packets are answered without it.
 */
export class LeaseModel {
  private readonly nodes: Node[];
  private readonly queue: Pending[] = [];
  private order = 0;
  private now = 0;
  private epochs = 1;
  readonly violations: string[] = [];
  holds = 0;

  constructor(
    private readonly schedule: Schedule,
    private readonly rules: LeaseRules,
  ) {
    this.nodes = Array.from({ length: schedule.nodes }, (_, i) => ({
      state: initialLease({ promised: 0, grantEpoch: 0 }, 0, TTL, i * 1_000_000, rules),
      stored: { promised: 0, grantEpoch: 0 },
      pausedUntil: 0,
      epoch: 1,
      holder: 0,
    }));
    for (let i = 0; i < schedule.nodes; i++) this.push(0, i, (now) => this.configure(i, now));
    for (const event of schedule.events) this.plan(event);
  }

  run(untilMs: number): void {
    while (this.queue.length > 0) {
      this.queue.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.queue.shift()!;
      if (next.at > untilMs) return;
      this.check(next.at);
      this.now = Math.max(this.now, next.at);
      const { pausedUntil } = this.nodes[next.node]!;
      if (pausedUntil > this.now) this.queue.push({ ...next, at: pausedUntil });
      else next.deliver(this.now);
      this.check(this.now);
    }
  }

  private plan(event: ScheduleEvent): void {
    if (event.kind === 'move') {
      const epoch = ++this.epochs;
      event.heardAfter.slice(0, this.nodes.length).forEach((after, i) => {
        if (after !== null)
          this.push(event.at + after, i, (now) => this.hear(i, now, epoch, event.to % this.nodes.length));
      });
      return;
    }
    const i = event.node % this.nodes.length;
    if (event.kind === 'restart') return this.push(event.at, i, (now) => this.restart(i, now));
    this.push(event.at, i, (now) => (this.nodes[i]!.pausedUntil = now + event.forMs));
  }

  private hear(i: number, now: number, epoch: number, holder: number): void {
    const node = this.nodes[i]!;
    if (epoch <= node.epoch) return;
    // The platform asks the voters for their promise before it moves anything.
    this.feed(i, { kind: 'vote_request', now, epoch });
    node.epoch = epoch;
    node.holder = holder;
    this.configure(i, now);
  }

  private restart(i: number, now: number): void {
    const node = this.nodes[i]!;
    const base = i * 1_000_000 + Math.floor(this.schedule.unit() * 900_000);
    node.state = initialLease(node.stored, now, TTL, base, this.rules);
    this.configure(i, now);
  }

  private configure(i: number, now: number): void {
    const node = this.nodes[i]!;
    const voters = this.nodes.map((_, n) => `n${n}`);
    const config: LeaseConfig = {
      vipId: 'v',
      self: `n${i}`,
      epoch: node.epoch,
      holder: node.holder === i,
      voters,
      platformVotes: false,
      beatMs: BEAT,
      ttlMs: TTL,
    };
    this.feed(i, { kind: 'configure', now, config });
  }

  private feed(i: number, input: Parameters<typeof stepLease>[1]): void {
    const node = this.nodes[i]!;
    const { state, effects } = stepLease(node.state, input);
    node.state = state;
    for (const effect of effects) this.carryOut(i, effect);
    const at = nextWake(state);
    if (at !== undefined) this.push(Math.max(at, this.now), i, (now) => this.wake(i, now));
  }

  private wake(i: number, now: number): void {
    const at = nextWake(this.nodes[i]!.state);
    if (at !== undefined && at <= now) this.feed(i, { kind: 'tick', now });
  }

  private carryOut(i: number, effect: LeaseEffect): void {
    if (effect.kind === 'persist') this.nodes[i]!.stored = { promised: effect.promised, grantEpoch: effect.grantEpoch };
    if (effect.kind === 'hold') this.holds++;
    if (effect.kind !== 'send') return;
    if (effect.to === `n${i}`)
      this.feed(i, { kind: 'message', now: this.now, from: effect.to, message: effect.message });
    else this.send(i, Number(effect.to.slice(1)), effect.message);
  }

  private send(from: number, to: number, message: LeaseMessage): void {
    if (this.schedule.unit() < this.schedule.loss) return;
    const copies = this.schedule.unit() < 0.05 ? 2 : 1;
    for (let c = 0; c < copies; c++) {
      const delay = 0.2 + this.schedule.unit() ** 3 * this.schedule.maxDelayMs;
      this.push(this.now + delay, to, (now) => this.feed(to, { kind: 'message', now, from: `n${from}`, message }));
    }
  }

  private push(at: number, node: number, deliver: (now: number) => void): void {
    this.queue.push({ at, order: this.order++, node, deliver });
  }

  private check(now: number): void {
    const holders = this.nodes.flatMap((n, i) =>
      isHeld(n.state, now) && !n.state.holding!.yielded ? [`n${i}@${n.state.holding!.epoch}`] : [],
    );
    if (holders.length > 1) this.violations.push(`at ${now}: ${holders.join(' and ')}`);
  }
}

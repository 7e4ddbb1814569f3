import type { Cancel } from '#kernel';
import type { GenerationSettled } from '../ports.js';

interface Open {
  readonly section: string;
  readonly generation: bigint;
  readonly sinceMs: number;
  readonly waiting: Set<string>;
  readonly tookMs: number[];
  cancel: Cancel;
}

const BOUND_MS = 10_000;
const MAX_OPEN = 256;

const percentile = (sorted: readonly number[], p: number): number =>
  sorted.length === 0 ? 0 : Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))]! * 10) / 10;

/** Follows each generation of a section until all agents it went to have applied it. Bounded in time and number. */
export class Settling {
  private readonly open = new Map<string, Open>();

  constructor(
    private readonly after: (delayMs: number, run: () => void) => Cancel,
    private readonly settled: (event: GenerationSettled) => void,
  ) {}

  sent(section: string, generation: bigint, instanceId: string, sinceMs: number): void {
    const key = `${section}|${generation}`;
    let open = this.open.get(key);
    if (open === undefined) {
      if (this.open.size >= MAX_OPEN) this.close(this.open.keys().next().value!);
      open = { section, generation, sinceMs, waiting: new Set(), tookMs: [], cancel: () => undefined };
      open.cancel = this.after(BOUND_MS, () => this.close(key));
      this.open.set(key, open);
    }
    open.waiting.add(instanceId);
  }

  /** A later generation contains what an earlier one said. */
  applied(section: string, generation: bigint, instanceId: string, nowMs: number): void {
    for (const [key, open] of this.open) {
      if (open.section !== section || open.generation > generation || !open.waiting.delete(instanceId)) continue;
      open.tookMs.push(nowMs - open.sinceMs);
      if (open.waiting.size === 0) this.close(key);
    }
  }

  stop(): void {
    for (const open of this.open.values()) open.cancel();
    this.open.clear();
  }

  private close(key: string): void {
    const open = this.open.get(key);
    if (open === undefined) return;
    this.open.delete(key);
    open.cancel();
    const sorted = open.tookMs.sort((a, b) => a - b);
    this.settled({
      section: open.section,
      generation: open.generation,
      applied: sorted.length,
      behind: [...open.waiting].sort(),
      p50Ms: percentile(sorted, 0.5),
      p99Ms: percentile(sorted, 0.99),
    });
  }
}

import { readFileSync } from 'node:fs';

const STAT = '/proc/stat';
const SAMPLE_MS = 1_000;
const TICK_MS = 20;
/** What is later than this is shown with its time of day, to be held against the agents' logs. */
const WORTH_SAYING_MS = 150;

/** What the machine did by itself in a phase: numbers of ours mean nothing where it stood still. */
export interface MachineNumbers {
  readonly [name: string]: number | null;
  /** Processor time that the host gave to others, of all that there was. Null where the kernel does not tell. */
  readonly stolen_percent: number | null;
  /** The same in the worst second. */
  readonly stolen_percent_worst_second: number | null;
  /** By how much this process's own timer of 20 ms was late at worst. */
  readonly late_ms: number;
}

interface Sample {
  readonly at: number;
  readonly total: number;
  readonly stolen: number;
}

/** proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal; guests' time is in user's already. */
export const readSample = (text: string, at: number): Sample | undefined => {
  const line = /^cpu +(.*)$/m.exec(text);
  const ticks = line?.[1]!.split(/ +/).slice(0, 8).map(Number);
  if (ticks?.length !== 8 || ticks.some(Number.isNaN)) return undefined;
  return { at, total: ticks.reduce((sum, tick) => sum + tick, 0), stolen: ticks[7]! };
};

const percent = (first: Sample, last: Sample): number =>
  last.total === first.total ? 0 : (100 * (last.stolen - first.stolen)) / (last.total - first.total);

export const stolenIn = (
  samples: readonly Sample[],
): Pick<MachineNumbers, 'stolen_percent' | 'stolen_percent_worst_second'> => {
  if (samples.length < 2) return { stolen_percent: null, stolen_percent_worst_second: null };
  const seconds = samples.slice(1).map((sample, i) => percent(samples[i]!, sample));
  const rounded = (value: number): number => Math.round(value * 10) / 10;
  return {
    stolen_percent: rounded(percent(samples[0]!, samples.at(-1)!)),
    stolen_percent_worst_second: rounded(Math.max(...seconds)),
  };
};

/** Watches the machine beside everything that is measured on it, one phase after the other. */
export class MachineLog {
  readonly phases: Record<string, MachineNumbers> = {};
  private readonly timers: NodeJS.Timeout[];
  private samples: Sample[] = [];
  private expected = performance.now() + TICK_MS;
  private late = 0;

  constructor(private readonly say: (text: string) => void) {
    this.timers = [setInterval(() => this.sample(), SAMPLE_MS), setInterval(() => this.tick(), TICK_MS)];
  }

  /** What `run` did happened on a machine of which these are the numbers. */
  async phase<T>(name: string, run: () => Promise<T>): Promise<T> {
    this.samples = [];
    this.late = 0;
    this.sample();
    try {
      return await run();
    } finally {
      this.sample();
      const numbers = { ...stolenIn(this.samples), late_ms: Math.round(this.late) };
      this.phases[`machine_${name}`] = numbers;
      const { stolen_percent: stolen, stolen_percent_worst_second: worst } = numbers;
      this.say(
        `    the machine: ${stolen} % stolen (worst second ${worst} %), a timer ${numbers.late_ms} ms late at worst`,
      );
    }
  }

  end(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  private sample(): void {
    const sample = readSample(readFileSync(STAT, 'utf8'), Date.now());
    if (sample !== undefined) this.samples.push(sample);
  }

  private tick(): void {
    const late = performance.now() - this.expected;
    this.expected = performance.now() + TICK_MS;
    this.late = Math.max(this.late, late);
    if (late >= WORTH_SAYING_MS)
      this.say(`    ${new Date().toISOString()} the machine: a timer was ${late.toFixed(0)} ms late`);
  }
}

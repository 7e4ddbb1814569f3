import { stripVTControlCharacters } from 'node:util';

export interface StepTiming {
  readonly step: string;
  readonly ms: number;
  readonly ok: boolean;
  readonly detail?: string;
}

/** Prints the story on a terminal (or a pipe), and remembers how long everything took. */
export class Narrator {
  readonly timings: StepTiming[] = [];
  private readonly colour = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;

  /** `silent` prints nothing; the timings are kept all the same. */
  constructor(private silent: boolean) {}

  /** What still fails after this is a consequence, not news. */
  mute(): void {
    this.silent = true;
  }

  chapter(title: string): void {
    this.print(`\n${this.paint('1', title)}`);
  }

  line(text: string): void {
    this.print(`  ${text}`);
  }

  block(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.print(`      ${line}`);
  }

  /** Runs one step; prints the call, what came of it and the time, and records it. Rethrows what the step throws. */
  async step<T>(call: string, run: () => Promise<T>, answer: (value: T) => string): Promise<T> {
    const started = performance.now();
    try {
      const value = await run();
      const ms = performance.now() - started;
      this.timings.push({ step: call, ms: Math.round(ms), ok: true });
      this.print(`  ${this.paint('32', '✓')} ${call} ${this.paint('2', took(ms))}`);
      const text = answer(value);
      if (text !== '') this.print(this.paint('2', `      → ${text}`));
      return value;
    } catch (error) {
      const ms = performance.now() - started;
      const detail = error instanceof Error ? error.message : String(error);
      this.timings.push({ step: call, ms: Math.round(ms), ok: false, detail });
      this.print(`  ${this.paint('31', '✗')} ${call} ${this.paint('2', took(ms))}\n      ${detail}`);
      throw error;
    }
  }

  private paint(code: string, text: string): string {
    return this.colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  }

  private print(text: string): void {
    if (!this.silent) process.stdout.write(`${this.colour ? text : stripVTControlCharacters(text)}\n`);
  }
}

export const took = (ms: number): string => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);

/** `name({"a": 1})`, shortened for a terminal line. */
export const showCall = (tool: string, args: Record<string, unknown>): string => {
  const text = Object.entries(args)
    .map(([key, value]) => `${key}: ${typeof value === 'string' ? JSON.stringify(value) : JSON.stringify(value)}`)
    .join(', ');
  return `${tool}(${text === '' ? '' : `{${text.length > 150 ? `${text.slice(0, 147)}…` : text}}`})`;
};

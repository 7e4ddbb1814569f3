import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import type { FailpointName } from '#kernel';
import type { Action, Engine, Played } from './failpoint-rig.js';

/** One story that held. */
export interface Told {
  readonly engine: Engine;
  readonly action: Action;
  readonly failpoints: readonly FailpointName[];
  readonly seconds: number;
  readonly deaths: number;
  readonly repeats: number;
  readonly events: number;
  readonly reached: number;
}

export const shortly = ({ deaths, repeats, events, reached }: Played) => ({
  deaths,
  repeats,
  events,
  reached: reached.length,
});

/** What held so far, in a file, so that hours of stories survive whoever ends them. What broke is played again. */
export class StoryLog {
  readonly before: readonly Told[];

  /** Without a file nothing is kept. */
  constructor(private readonly file: string) {
    const text = file === '' || !existsSync(file) ? '' : readFileSync(file, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    // A line that was cut off in the middle would spoil the next one.
    if (whole !== text) truncateSync(file, Buffer.byteLength(whole));
    this.before = whole
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Told);
  }

  held(story: Told): void {
    if (this.file !== '') appendFileSync(this.file, `${JSON.stringify(story)}\n`);
  }

  left(engine: Engine, action: Action, names: readonly FailpointName[]): readonly FailpointName[] {
    const done = new Set(
      this.before.filter((one) => one.engine === engine && one.action === action).flatMap((one) => one.failpoints),
    );
    return names.filter((name) => !done.has(name));
  }
}

import { durationMs } from '../call-flags.js';
import { CliError } from '../errors.js';
import { near } from '../near.js';
import { SCREENS, type Order, type Screen } from './top-screens.js';

export interface TopFlags {
  readonly screen: Screen;
  readonly order?: Order;
  readonly everyMs: number;
  readonly filter?: string;
}

const EVERY_MS = 2_000;
const OPTIONS = ['sort', 'every', 'filter'];

const usage = (message: string, why: string, meant?: string): CliError =>
  new CliError(message, why, 'drover top --help', 2, undefined, meant);

/** `lastseen`, `-lastseen` and `lastseen:desc`. */
const orderOf = (text: string): Order => {
  const [, minus, column, , way] = /^(-?)([a-z_]+)(:(asc|desc))?$/.exec(text) ?? [];
  if (column === undefined) throw usage(`--sort ${text}`, 'it is a column; -COLUMN begins with the largest');
  return { column, descending: minus === '-' || way === 'desc' };
};

const everyOf = (text: string): number => {
  const ms = durationMs(text, '--every');
  if (ms >= 500 && ms <= 3_600_000) return ms;
  throw usage(`--every ${text}`, 'it is from 500ms to 1h');
};

const screenOf = (word: string): Screen => {
  const screen = SCREENS.find((one) => one === word);
  if (screen !== undefined) return screen;
  throw usage(`drover top has no screen ${word}`, `it has ${SCREENS.join(', ')}`, near(word, SCREENS));
};

export const topFlags = (words: readonly string[]): TopFlags => {
  let screen: Screen | undefined;
  const values: Record<string, string> = {};
  for (let i = 0; i < words.length; i++) {
    const [, name, inline] = /^--([a-z-]+)(?:=(.*))?$/s.exec(words[i]!) ?? [];
    if (name === undefined && screen === undefined && !words[i]!.startsWith('-')) screen = screenOf(words[i]!);
    else if (name !== undefined && OPTIONS.includes(name)) {
      const value = inline ?? words[++i];
      if (value === undefined || value === '') throw usage(`--${name} needs a value`, 'the command line ends there');
      values[name] = value;
    } else
      throw usage(
        `drover top takes no ${words[i]!}`,
        `one screen (${SCREENS.join(', ')}), --sort, --every and --filter`,
        name === undefined
          ? undefined
          : near(
              words[i]!,
              OPTIONS.map((option) => `--${option}`),
            ),
      );
  }
  const { sort, every, filter } = values;
  return {
    screen: screen ?? 'fleet',
    everyMs: every === undefined ? EVERY_MS : everyOf(every),
    ...(sort === undefined ? {} : { order: orderOf(sort) }),
    ...(filter === undefined ? {} : { filter }),
  };
};

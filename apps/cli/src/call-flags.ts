import type { Tool } from './catalogue.js';
import { CliError } from './errors.js';

/** What the CLI itself does around a call. A tool's own parameter of that name wins. */
export interface CallFlags {
  readonly watch: boolean;
  /** With --watch: go on behind this cursor. */
  readonly after?: string;
  readonly at?: string;
  readonly wait: boolean;
  readonly timeoutMs?: number;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** `90`, `90s`, `5m`, `1h30m`. */
export const durationMs = (text: string, flag: string): number => {
  const whole = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text);
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  if (!whole) throw new CliError(`${flag} ${text}`, 'it is a duration: 90s, 5m, 1h30m', `${flag} 5m`, 2);
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * UNITS[unit!]!,
    0,
  );
};

const ALIASES: Readonly<Record<string, string>> = { w: 'watch' };

export const callFlags = (
  tool: Tool | undefined,
  words: readonly string[],
): { readonly flags: CallFlags; readonly words: readonly string[] } => {
  const own = new Set(Object.keys({ ...tool?.input_schema.properties, ...tool?.aliases }));
  const rest: string[] = [];
  const values: Record<string, string> = {};
  const watching = words.some((word) => /^(--watch|-w)$/.test(word)) && !own.has('watch');
  for (let i = 0; i < words.length; i++) {
    const [, written, inline] = /^--?([a-z]+)(?:=(.*))?$/s.exec(words[i]!) ?? [];
    const name = written === undefined ? '' : (ALIASES[written] ?? written);
    const takes = ['at', 'timeout', ...(watching ? ['after'] : [])].includes(name);
    if (own.has(name) && !(watching && name === 'after')) rest.push(words[i]!);
    else if (['watch', 'wait'].includes(name) && inline === undefined) values[name] = 'true';
    else if (takes) {
      const value = inline ?? words[++i];
      if (value === undefined || value === '')
        throw new CliError(`--${name} needs a value`, 'the command line ends there', undefined, 2);
      values[name] = value;
    } else rest.push(words[i]!);
  }
  const { at, after, timeout } = values;
  return {
    words: rest,
    flags: {
      watch: values.watch !== undefined,
      wait: values.wait !== undefined,
      ...(at === undefined ? {} : { at }),
      ...(after === undefined ? {} : { after }),
      ...(timeout === undefined ? {} : { timeoutMs: durationMs(timeout, '--timeout') }),
    },
  };
};

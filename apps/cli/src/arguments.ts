import { CliError } from './errors.js';
import { near } from './near.js';
import type { GlobalFlags } from './settings.js';
import { refuseTokenOnCommandLine } from './token-file.js';
import type { Parameter, Tool } from './catalogue.js';

export interface CommandLine {
  readonly flags: GlobalFlags;
  readonly help: boolean;
  readonly version: boolean;
  /** What is left: command words, and arguments as they were written. */
  readonly words: readonly string[];
}

const valueAfter = (argv: readonly string[], i: number, name: string): string => {
  const value = argv[i + 1];
  if (value === undefined)
    throw new CliError(`${name} needs a value`, 'the command line ends there', `${name} VALUE`, 2);
  return value;
};

const FIELD_OF: Readonly<Record<string, 'output' | 'tokenFile' | 'yesIMean'>> = {
  o: 'output',
  'token-file': 'tokenFile',
  'yes-i-mean': 'yesIMean',
};

/**
 * Takes the global flags out, wherever they stand. `--json` followed by an object is the tool's arguments, alone it asks for
 * JSON output.
 */
export const parseCommandLine = (argv: readonly string[]): CommandLine => {
  const words: string[] = [];
  const flags: { -readonly [K in keyof GlobalFlags]: GlobalFlags[K] } = { json: false };
  let help = false;
  let version = false;
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    const [, name, inline] =
      /^--?(url|token|token-file|context|output|o|fields|yes-i-mean)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === 'token') refuseTokenOnCommandLine();
    if (name !== undefined) {
      const value = inline ?? valueAfter(argv, i++, word);
      flags[FIELD_OF[name] ?? (name as 'url')] = value;
    } else if (word === '--no-headers') flags.noHeaders = true;
    else if (word === '--json' && argv[i + 1]?.trimStart().startsWith('{')) words.push(word, argv[++i]!);
    else if (word === '--json') flags.json = true;
    else if (word === '--help' || word === '-h') help = true;
    else if (word === '--version' && words.length === 0) version = true;
    else words.push(word);
  }
  return { flags, help, version, words };
};

/** Arguments of a tool: `--json '{…}'`, `key=value`, `--key value`, and one bare word for the tool's main parameter. */
export const toolArguments = (tool: Tool | undefined, words: readonly string[]): Record<string, unknown> => {
  const args: Record<string, unknown> = {};
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--json') Object.assign(args, parseObject(valueAfter(words, i++, word)));
    else if (word.startsWith('--')) i += takeFlag(tool, args, words, i);
    else if (/^[A-Za-z_][\w-]*=/.test(word)) {
      const at = word.indexOf('=');
      put(tool, args, word.slice(0, at), word.slice(at + 1));
    } else put(tool, args, mainParameter(tool, args, word), word);
  }
  return args;
};

/** Answers how many further words the flag took. */
const takeFlag = (
  tool: Tool | undefined,
  args: Record<string, unknown>,
  words: readonly string[],
  i: number,
): number => {
  const word = words[i]!;
  const at = word.indexOf('=');
  const name = word.slice(2, at < 0 ? undefined : at);
  const known = parameter(tool, name);
  if (tool !== undefined && known === undefined) refuseMisspelt(word);
  if (at >= 0) return (put(tool, args, name, word.slice(at + 1)), 0);
  const type = typeOf(known);
  const next = words[i + 1];
  // The platform says what it has instead.
  if (tool !== undefined && known === undefined && next === undefined) return (put(tool, args, name, 'true'), 0);
  if (type === 'boolean' && next !== 'true' && next !== 'false') return (put(tool, args, name, 'true'), 0);
  put(tool, args, name, valueAfter(words, i, word));
  return 1;
};

const OF_THE_CLI = [
  '--watch',
  '--wait',
  '--at',
  '--timeout',
  '--after',
  '--dry-run',
  '--fields',
  '--no-headers',
  '--json',
];

/** What is no parameter of the tool and nearly a flag of the CLI was meant as that: the platform does not know those. */
const refuseMisspelt = (word: string): void => {
  const written = word.replace(/=.*$/s, '');
  const meant = near(written, OF_THE_CLI);
  if (meant !== undefined)
    throw new CliError(
      `there is no ${written}`,
      'neither the command nor the CLI has it',
      undefined,
      2,
      undefined,
      meant,
    );
};

const parseObject = (text: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw new CliError('--json holds no JSON', (error as Error).message, `--json '{"name":"value"}'`, 2);
  }
  throw new CliError('--json must hold an object', `it holds ${text.slice(0, 40)}`, `--json '{"name":"value"}'`, 2);
};

const snake = (name: string): string => name.replaceAll('-', '_');

const parameter = (tool: Tool | undefined, name: string): Parameter | undefined => {
  const properties = tool?.input_schema.properties ?? {};
  return properties[snake(name)] ?? properties[tool?.aliases[snake(name)] ?? ''];
};

const typeOf = (p: Parameter | undefined): string | undefined =>
  p?.type ?? p?.anyOf?.find((one) => one.type !== 'null')?.type;

const put = (tool: Tool | undefined, args: Record<string, unknown>, name: string, text: string): void => {
  args[snake(name)] = typed(typeOf(parameter(tool, name)), text);
};

/** The text as the parameter's type; what does not fit goes as text, and the platform says what is wrong with it. */
const typed = (type: string | undefined, text: string): unknown => {
  if (type === 'string') return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return type === 'array' ? text.split(',') : text;
  }
};

const mainParameter = (tool: Tool | undefined, args: Readonly<Record<string, unknown>>, word: string): string => {
  const properties = Object.keys(tool?.input_schema.properties ?? {});
  const required = tool?.input_schema.required ?? [];
  const main = [...required, ...['id', 'name', 'time'].filter((p) => properties.includes(p))].find((p) => !(p in args));
  if (main !== undefined) return main;
  throw new CliError(
    `${word} names no parameter`,
    'arguments are key=value, --key value or --json',
    '--help shows them',
    2,
  );
};

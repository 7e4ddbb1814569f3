import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';

export type FlagKind = 'bool' | 'string' | 'list';
export interface FlagSpec {
  readonly kind: FlagKind;
  readonly aliases?: readonly string[];
  /** Environment names, first set one wins, below the command line and above the config file. */
  readonly env?: readonly string[];
}
export type FlagSpecs = Readonly<Record<string, FlagSpec>>;
export type FlagValues = Readonly<Record<string, string | boolean | readonly string[]>>;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const truthy = (value: string): boolean => !['false', '0', 'f', 'F', 'False', 'FALSE'].includes(value);

/** Go's flag rules: `-name`, `--name`, `--name=value`, `--name value`; anything unknown is refused by name. */
const fromArgv = (specs: FlagSpecs, argv: readonly string[]): Map<string, string[]> => {
  const names = new Map<string, string>();
  for (const [name, spec] of Object.entries(specs))
    for (const alias of [name, ...(spec.aliases ?? [])]) names.set(alias, name);
  const found = new Map<string, string[]>();
  for (let i = 0; i < argv.length; i++) {
    const match = /^--?([a-zA-Z][\w.-]*)(?:=(.*))?$/s.exec(argv[i]!);
    if (match === null) throw new UsageError(`unexpected argument ${JSON.stringify(argv[i])}`);
    const name = names.get(match[1]!);
    if (name === undefined) throw new UsageError(`flag provided but not defined: -${match[1]}`);
    let value = match[2];
    if (value === undefined && specs[name]!.kind === 'bool') value = 'true';
    if (value === undefined) {
      value = argv[++i];
      if (value === undefined) throw new UsageError(`flag needs an argument: -${match[1]}`);
    }
    found.set(name, [...(found.get(name) ?? []), value]);
  }
  return found;
};

/** Flags come first and names after them, as Go's flag package has it; names that stand before the flags are taken as well. */
export const splitArgs = (
  specs: FlagSpecs,
  argv: readonly string[],
): { readonly flags: readonly string[]; readonly names: readonly string[] } => {
  const isSwitch = (word: string): boolean =>
    word.includes('=') ||
    Object.entries(specs).some(
      ([name, spec]) => spec.kind === 'bool' && [name, ...(spec.aliases ?? [])].includes(word.replace(/^--?/, '')),
    );
  const start = argv.findIndex((word) => word.startsWith('-'));
  if (start < 0) return { flags: [], names: argv };
  let end = start;
  while (end < argv.length && argv[end]!.startsWith('-')) end += isSwitch(argv[end]!) ? 1 : 2;
  return { flags: argv.slice(start, end), names: [...argv.slice(0, start), ...argv.slice(end)] };
};

/** The config file's keys are flag names; a key the command does not have is refused as the flag would be. */
const configArgv = (path: string, required: boolean): string[] => {
  if (!existsSync(path)) {
    if (required) throw new UsageError(`open ${path}: no such file or directory`);
    return [];
  }
  const document: unknown = parse(readFileSync(path, 'utf8'));
  if (document === null || document === undefined) return [];
  if (typeof document !== 'object' || Array.isArray(document))
    throw new UsageError(`${path}: expected a mapping of flags`);
  return Object.entries(document).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value]).map(
      (item: unknown) => `--${key.replace(/\+$/, '')}=${String(item ?? '')}`,
    ),
  );
};

export const parseFlags = (
  specs: FlagSpecs,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  defaultConfig: string | undefined,
): FlagValues => {
  const cli = fromArgv(specs, argv);
  const path = cli.get('config')?.at(-1) ?? env['K3S_CONFIG_FILE'] ?? defaultConfig;
  const file = path === undefined ? new Map<string, string[]>() : fromArgv(specs, configArgv(path, cli.has('config')));
  const values: Record<string, string | boolean | readonly string[]> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const fromEnv = spec.env?.map((key) => env[key]).find((value) => value !== undefined && value !== '');
    const given = cli.get(name) ?? (fromEnv === undefined ? file.get(name) : [fromEnv]);
    if (spec.kind === 'list') values[name] = (given ?? []).flatMap((value) => value.split(',')).filter((v) => v !== '');
    else if (given !== undefined) values[name] = spec.kind === 'bool' ? truthy(given.at(-1)!) : given.at(-1)!;
  }
  return values;
};

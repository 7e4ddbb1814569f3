import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../errors.js';
import { mustBeWritable, troubleOf, writeWhole, type Place } from '../files.js';
import { near } from '../near.js';

type Environment = Readonly<Record<string, string | undefined>>;

export interface Context {
  readonly name: string;
  readonly url: string;
  readonly token?: string;
}

export interface Contexts {
  readonly current?: string;
  readonly contexts: Readonly<
    Record<string, { readonly url: string; readonly token?: string; readonly protected?: boolean }>
  >;
}

/** The file, or undefined where there is no home to keep it in. */
export const contextFile = (env: Environment): string | undefined => {
  const base = env.XDG_CONFIG_HOME || (env.HOME ? join(env.HOME, '.config') : '');
  return base === '' ? undefined : join(base, 'drover', 'contexts.json');
};

const isContexts = (value: unknown): value is Contexts =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as Contexts).contexts === 'object' &&
  Object.values((value as Contexts).contexts).every(
    (one) => typeof one?.url === 'string' && ['string', 'undefined'].includes(typeof one.token),
  );

/** undefined for what is no JSON: the caller says what is wrong with the file. */
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export const readContexts = (env: Environment): Contexts => {
  const file = contextFile(env);
  if (file === undefined) return { contexts: {} };
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { contexts: {} };
    const hint = '--url with --token-file works without it; XDG_CONFIG_HOME says where it is';
    throw new CliError(`${file} cannot be read`, troubleOf(error), hint);
  }
  const value = parsed(text);
  if (isContexts(value)) return value;
  const why =
    value === undefined ? 'it is no JSON: somebody changed it, or it was cut off' : 'it is not what drover writes';
  throw new CliError(`${file} holds no contexts`, why, `mv ${file} ${file}.broken, and drover login`, 2);
};

const place = (env: Environment): Place => {
  const file = contextFile(env);
  if (file !== undefined) return { file, hint: 'XDG_CONFIG_HOME=FOLDER keeps contexts elsewhere' };
  throw new CliError('there is no place for contexts', 'neither XDG_CONFIG_HOME nor HOME is set', 'set one of them');
};

export const writeContexts = (env: Environment, contexts: Contexts): string => {
  const where = place(env);
  writeWhole(where, `${JSON.stringify(contexts, null, 2)}\n`);
  return where.file;
};

/** Before a login makes a token that could be kept nowhere. */
export const contextsMustBeWritable = (env: Environment): void => mustBeWritable(place(env));

/** Whether others may read it, though it holds tokens. */
export const isExposed = (file: string): boolean => (statSync(file).mode & 0o077) !== 0;

/** Where a URL leads, whichever way it is written. */
const placeOf = (url: string): string => {
  if (!URL.canParse(url)) return url;
  const { protocol, hostname, port, pathname } = new URL(url);
  const host = hostname.replace(/\.$/, '');
  return `${protocol}//${host}:${port}${pathname.replace(/\/+$/, '')}`;
};

/**
 * The protected context of this platform, however one got to it: --url is no way around it. Of several, the `chosen` one. A file that
 * cannot be read keeps nobody from working with --url: every other way says so by itself.
 */
export const protectedAt = (env: Environment, url: string, chosen?: string): string | undefined => {
  try {
    const names = Object.entries(readContexts(env).contexts)
      .filter(([, one]) => one.protected === true && placeOf(one.url) === placeOf(url))
      .map(([name]) => name);
    return names.find((name) => name === chosen) ?? names[0];
  } catch (error) {
    if (error instanceof CliError) return undefined;
    throw error;
  }
};

export const findContext = (env: Environment, asked: string | undefined): Context | undefined => {
  const { current, contexts } = readContexts(env);
  const name = asked ?? current;
  if (name === undefined) return undefined;
  const found = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (found !== undefined) return { name, ...found };
  const names = Object.keys(contexts);
  const why = names.length === 0 ? 'there is none yet' : `there are ${names.join(', ')}`;
  throw new CliError(`there is no context ${name}`, why, 'drover context list', 2, undefined, near(name, names));
};

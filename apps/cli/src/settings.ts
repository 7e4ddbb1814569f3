import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findContext, protectedAt, type Context } from './contexts/file.js';
import { CliError } from './errors.js';
import { readTokenFile } from './token-file.js';

export interface Settings {
  readonly url: string;
  readonly token: string;
  readonly json: boolean;
  readonly output?: string;
  readonly fields?: string;
  readonly noHeaders?: boolean;
  /** The context that it came from. */
  readonly context?: string;
  /** That context, where changes need somebody to say that they mean it. */
  readonly protectedContext?: string;
  /** What they say, on the command line. */
  readonly meant?: string;
}

export interface GlobalFlags {
  readonly url?: string;
  /** Only inside this program: a token is never an argument. */
  readonly token?: string;
  /** Where the token is; `-` for stdin. */
  readonly tokenFile?: string;
  readonly json: boolean;
  readonly context?: string;
  /** As it was written after -o. */
  readonly output?: string;
  readonly fields?: string;
  readonly noHeaders?: boolean;
  readonly yesIMean?: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const fromDataDir = (env: Environment): string | undefined => {
  const file = join(env.DROVER_DATA_DIR || './data', 'admin.token');
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CliError(`cannot read ${file}`, (error as Error).message, 'pass --token-file or set DROVER_TOKEN');
  }
};

const defaultUrl = (env: Environment): string => {
  const address = env.DROVER_HTTP_ADDR || '127.0.0.1:8080';
  return `http://${address.replace(/^(0\.0\.0\.0|\[::\]):/, '127.0.0.1:')}`;
};

const isUrl = (url: string): boolean => /^https?:\/\/[^/\s]+/.test(url);

/** Which context holds, if any: the one that was asked for, or the current one where nothing else says which platform. */
const contextOf = (flags: GlobalFlags, env: Environment): (Context & { readonly asked: boolean }) | undefined => {
  const asked = flags.context ?? (env.DROVER_CONTEXT || undefined);
  if (asked !== undefined && flags.url !== undefined) {
    if (flags.context !== undefined)
      throw new CliError('--url and --context', 'both say which platform is meant', 'give one of them', 2);
    return undefined;
  }
  const elsewhere = flags.url ?? (env.DROVER_URL || env.DROVER_DATA_DIR || env.DROVER_HTTP_ADDR);
  if (asked === undefined && elsewhere !== undefined && elsewhere !== '') return undefined;
  const found = findContext(env, asked);
  return found === undefined ? undefined : { ...found, asked: asked !== undefined };
};

/**
 * An empty variable counts as absent. Flags win over the environment, which wins over the current context, which wins over the data
 * directory of a platform on this machine. A context that is asked for wins over the environment. Its token goes to its URL only.
 */
export const resolveSettings = (flags: GlobalFlags, env: Environment): Settings => {
  const context = contextOf(flags, env);
  const url = (context?.url ?? flags.url ?? (env.DROVER_URL || defaultUrl(env))).replace(/\/+$/, '');
  if (!isUrl(url)) {
    const hint = 'for example http://127.0.0.1:8080';
    throw new CliError(`--url ${url}`, 'it is not an http:// or https:// address', hint, 2);
  }
  const ofEnvironment = env.DROVER_TOKEN || (env.DROVER_TOKEN_FILE ? readTokenFile(env.DROVER_TOKEN_FILE) : undefined);
  const token =
    flags.token ??
    (flags.tokenFile === undefined ? undefined : readTokenFile(flags.tokenFile)) ??
    (context?.asked === true ? (context.token ?? ofEnvironment) : (ofEnvironment ?? context?.token)) ??
    (context === undefined ? fromDataDir(env) : undefined);
  if (token === undefined || token === '') {
    throw new CliError(
      'there is no token',
      context === undefined
        ? 'no --token-file, no DROVER_TOKEN, no context, no admin.token in the data directory'
        : `context ${context.name} has none, and neither --token-file nor DROVER_TOKEN is given`,
      'drover login --url URL; or set DROVER_TOKEN, or DROVER_DATA_DIR to the data directory of a platform on this machine',
      4,
    );
  }
  return {
    url,
    token,
    json: flags.json || flags.output === 'json',
    ...shown(flags),
    ...named(flags, context, protectedAt(env, url, context?.name)),
  };
};

const shown = ({ output, fields, noHeaders }: GlobalFlags) => ({
  ...(output === undefined ? {} : { output }),
  ...(fields === undefined ? {} : { fields }),
  ...(noHeaders === undefined ? {} : { noHeaders }),
});
const named = ({ yesIMean }: GlobalFlags, context: Context | undefined, guarded: string | undefined) => ({
  ...(context === undefined ? {} : { context: context.name }),
  ...(yesIMean === undefined ? {} : { meant: yesIMean }),
  ...(guarded === undefined ? {} : { protectedContext: guarded }),
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from './errors.js';

export interface Settings {
  readonly url: string;
  readonly token: string;
  readonly json: boolean;
}

export interface GlobalFlags {
  readonly url?: string;
  readonly token?: string;
  readonly json: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

const fromDataDir = (env: Environment): string | undefined => {
  const file = join(env.DROVER_DATA_DIR || './data', 'admin.token');
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CliError(`cannot read ${file}`, (error as Error).message, 'pass --token or set DROVER_TOKEN');
  }
};

const defaultUrl = (env: Environment): string => {
  const address = env.DROVER_HTTP_ADDR || '127.0.0.1:8080';
  return `http://${address.replace(/^(0\.0\.0\.0|\[::\]):/, '127.0.0.1:')}`;
};

/** An empty variable counts as absent. Flags win over the environment, which wins over the data directory of a platform on this machine. */
export const resolveSettings = (flags: GlobalFlags, env: Environment): Settings => {
  const url = (flags.url ?? (env.DROVER_URL || defaultUrl(env))).replace(/\/+$/, '');
  if (!/^https?:\/\/[^/\s]+/.test(url)) {
    throw new CliError(
      `--url ${url}`,
      'it is not an http:// or https:// address',
      'for example http://127.0.0.1:8080',
      2,
    );
  }
  const token = flags.token ?? (env.DROVER_TOKEN || fromDataDir(env));
  if (token === undefined || token === '') {
    throw new CliError(
      'there is no token',
      'no --token, no DROVER_TOKEN, no admin.token in the data directory',
      'set DROVER_TOKEN, or DROVER_DATA_DIR to the data directory of a platform on this machine',
    );
  }
  return { url, token, json: flags.json };
};

import { readFileSync } from 'node:fs';
import type { PoolConfig } from 'pg';
import { UsageError } from '../cli/flags.js';

export interface DatastoreOptions {
  /** Holds a password: never logged, never in an error. */
  readonly endpoint: string;
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** `postgres://user:password@host:port/database`; the others that kine knows are not there. */
export const connectionOf = ({ endpoint, caFile, certFile, keyFile }: DatastoreOptions): PoolConfig => {
  const scheme = /^([a-z]+):\/\//.exec(endpoint)?.[1];
  if (scheme !== 'postgres' && scheme !== 'postgresql')
    throw new UsageError(`the stand-in knows postgres:// as --datastore-endpoint, not ${scheme ?? 'a DSN'}`);
  const read = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path, 'utf8'));
  const [ca, cert, key] = [caFile, certFile, keyFile].map(read);
  const tls = ca === undefined && cert === undefined ? {} : { ssl: { ca, cert, key } };
  return {
    connectionString: endpoint,
    ...tls,
    max: 4,
    connectionTimeoutMillis: 5_000,
    query_timeout: 8_000,
    keepAlive: true,
    application_name: 'kine',
  };
};

/** The same server, and the database that is always there: where kine makes its own when that is missing. */
export const maintenanceOf = (config: PoolConfig): { readonly config: PoolConfig; readonly database: string } => {
  const url = new URL(config.connectionString!);
  const database = decodeURIComponent(url.pathname.slice(1)) || 'kubernetes';
  url.pathname = '/postgres';
  return { config: { ...config, connectionString: url.href, max: 1 }, database };
};

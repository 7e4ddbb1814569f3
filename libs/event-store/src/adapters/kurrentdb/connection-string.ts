import { ConfigError, nearest } from '#kernel';

/** A connection string that was looked at, made fit for the client, and never shown whole. */
export interface KurrentAddress {
  /** For the client: `esdb` and its like become `kurrentdb`, credentials are escaped. Holds the password. */
  readonly url: string;
  /** Hosts and ports, for people. */
  readonly where: string;
  readonly user?: string;
  readonly tls: boolean;
  readonly credentials?: { readonly username: string; readonly password: string };
  /** The same text without the password. */
  hide(text: string): string;
}

const SETTING = 'KURRENTDB_URL';
const SCHEMES = ['kurrentdb', 'kurrent', 'kdb', 'esdb'];
const SHAPE = /^([a-z]+)(\+discover)?:\/\/(?:(.*)@)?([^@/?]+)\/?(?:\?(.*))?$/s;
const HOST = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/i;

/**
 * What the client's own parser knows, less what Drover cannot run with: appends must throw, and reads must not be stale.
 * It warns of an unknown option by printing the whole string, password and all; here it is refused by name instead.
 */
const OPTIONS = [
  'tls',
  'tlsVerifyCert',
  'tlsCaFile',
  'userCertFile',
  'userKeyFile',
  'connectionName',
  'defaultDeadline',
  'discoveryInterval',
  'gossipTimeout',
  'maxDiscoverAttempts',
  'keepAliveInterval',
  'keepAliveTimeout',
  'nodePreference',
];
const flat = (name: string): string => name.toLowerCase().replace(/[-_]/g, '');

const wrong = (what: string): ConfigError => new ConfigError(`${SETTING}: ${what}`);

/** @throws ConfigError naming the part that is wrong, never the password. */
export const parseAddress = (text: string): KurrentAddress => {
  const match = SHAPE.exec(text.trim());
  const [, scheme = '', discover = '', login, hosts = '', query = ''] = match ?? [];
  if (match === null || !SCHEMES.includes(scheme)) {
    const form = 'kurrentdb://[USER:PASSWORD@]HOST[:PORT][,HOST…][?tls=false&…]';
    throw wrong(`must look like ${form}, or kurrentdb+discover://; esdb:// is read as kurrentdb://`);
  }
  const where = hosts.split(',').map(hostOf).join(',');
  const options = optionsOf(query);
  const credentials = login === undefined ? undefined : credentialsOf(login);
  const user =
    credentials && `${encodeURIComponent(credentials.username)}:${encodeURIComponent(credentials.password)}@`;
  const params = [...options].map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&');
  return {
    url: `kurrentdb${discover}://${user ?? ''}${where}${params === '' ? '' : `?${params}`}`,
    where,
    tls: options.get('tls') !== 'false',
    ...(credentials && { credentials, user: credentials.username }),
    hide: hider([
      text.trim(),
      login ?? '',
      credentials?.password ?? '',
      encodeURIComponent(credentials?.password ?? ''),
    ]),
  };
};

const hostOf = (host: string): string => {
  const [, name, port = '2113'] = HOST.exec(host) ?? [];
  if (name === undefined) throw wrong(`${JSON.stringify(host)} is not HOST or HOST:PORT`);
  if (Number(port) > 65_535) throw wrong(`the port of ${host} must be 1 to 65535`);
  return `${name}:${port}`;
};

const optionsOf = (query: string): Map<string, string> => {
  const options = new Map<string, string>();
  for (const pair of query.split('&').filter((part) => part !== '')) {
    const [given = '', value = ''] = pair.split(/=(.*)/s);
    const name = OPTIONS.find((known) => flat(known) === flat(given));
    if (name === undefined) {
      const near = nearest(given, OPTIONS);
      throw wrong(`unknown option ${given}${near === undefined ? '' : `; did you mean ${near}?`}`);
    }
    if (value === '') throw wrong(`option ${name} has no value`);
    options.set(name, unescaped(value, `option ${name}`));
  }
  if (flat(options.get('nodePreference') ?? 'leader') !== 'leader')
    throw wrong('nodePreference must be leader: Drover reads what it has just written');
  for (const name of ['tls', 'tlsVerifyCert'])
    if (!['true', 'false'].includes(options.get(name) ?? 'true')) throw wrong(`option ${name} must be true or false`);
  return options;
};

const credentialsOf = (login: string): { username: string; password: string } => {
  const at = login.indexOf(':');
  if (at < 1 || at === login.length - 1) throw wrong('before the @ there must be USER:PASSWORD');
  const what = 'the user or password (escape % as %25)';
  return { username: unescaped(login.slice(0, at), what), password: unescaped(login.slice(at + 1), what) };
};

const unescaped = (text: string, what: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong(`${what} is not well escaped`);
  }
};

const hider = (secrets: readonly string[]) => {
  const known = secrets.filter((secret) => secret !== '');
  return (text: string): string => known.reduce((shown, secret) => shown.replaceAll(secret, '***'), text);
};

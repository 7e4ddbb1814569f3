import type { GlobalFlags } from '../settings.js';
import { CliError } from '../errors.js';
import { readSecret } from '../secret-input.js';
import { table } from '../output.js';
import type { LoggedIn } from '../login/login.js';
import { loginOptions, type LoginOptions } from './login-options.js';
import { contextsMustBeWritable, findContext, readContexts, writeContexts } from './file.js';
import { runLogout } from './logout.js';

export const CONTEXT_USAGE = `drover context list                       the platforms that this user knows
drover context use NAME                   from now on this one is meant
drover context add NAME --url URL         keep one; with --token-stdin its token is read from stdin
drover context remove NAME                forget one, and its token
drover context protect NAME               changes there need its name typed, or --yes-i-mean NAME in scripts; programs with a guarded
                                          token change nothing there (drover context unprotect NAME)
drover login [NAME] [--url URL]           log in with a browser at the platform's identity provider, and use that platform
                                          (--no-browser over SSH; --callback-port N where the provider knows only one port)
drover login [NAME] [--url URL] --device   the same on a machine without a browser: shows a code to enter on another one
drover login [NAME] --url URL --token-stdin   the same with a token, once the platform has accepted it
drover logout [NAME | --all]              end the token on the platform, and forget it here

They are kept in $XDG_CONFIG_HOME/drover/contexts.json (0600). --context NAME or DROVER_CONTEXT chooses for one command. --url, DROVER_URL
and DROVER_DATA_DIR win over the current context.`;

export interface ContextCommand {
  readonly flags: GlobalFlags;
  readonly help: boolean;
  /** After `context`; `login` is a verb of it. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly out: (text: string) => void;
  /** Whether the platform takes the token: answers nothing, or throws. */
  readonly check: (url: string, token: string) => Promise<unknown>;
  /** A token for who logs in with a browser. */
  /** Ends the token on the platform, or throws. */
  readonly end: (url: string, token: string) => Promise<unknown>;
  readonly obtain: (url: string, how: Pick<LoginOptions, 'browser' | 'device' | 'port'>) => Promise<LoggedIn>;
}

const usage = (message: string, why: string): CliError => new CliError(message, why, 'drover context --help', 2);

const NAME = /^[A-Za-z0-9][\w.-]{0,62}$/;

const readToken = async (stdin: ContextCommand['stdin'], url: string): Promise<string> => {
  let text = '';
  const ask = (question: string) => void process.stderr.write(`${question}\n`);
  if ((stdin as { readonly isTTY?: boolean }).isTTY === true)
    text = await readSecret(stdin, `Token of ${url} (it is not shown):`, ask);
  else for await (const chunk of stdin) text += String(chunk);
  const token = text.trim();
  if (token === '' || /\s/.test(token)) throw usage('stdin holds no token', 'one line with nothing but the token');
  return token;
};

const list = ({ env, flags, out }: ContextCommand): void => {
  const { current, contexts } = readContexts(env);
  const rows = Object.entries(contexts).map(([name, one]) => ({
    name,
    url: one.url,
    token: one.token === undefined ? 'none' : 'kept',
    current: name === current,
    protected: one.protected === true,
  }));
  if (flags.json || flags.output === 'json') return out(JSON.stringify({ success: true, data: { contexts: rows } }));
  out(
    rows.length === 0
      ? 'no contexts'
      : table(rows.map((row) => ({ ...row, current: row.current ? '*' : '', protected: row.protected ? 'yes' : '' }))),
  );
};

/** Whoever logs in again means the platform that they know by that name, or use now. */
const urlOf = ({ env, flags }: ContextCommand, verb: 'add' | 'login', name: string | undefined): string => {
  const known = verb === 'login' && flags.url === undefined ? knownUrl(env, name) : undefined;
  const url = (flags.url ?? known ?? '').replace(/\/+$/, '');
  if (url === '') throw usage('which platform?', `drover ${verb === 'login' ? 'login' : 'context add'} needs --url`);
  if (/^https?:\/\/[^/\s]+$/.test(url)) return url;
  throw usage(`--url ${url}`, 'it is not an http:// or https:// address of a platform');
};

const knownUrl = (env: ContextCommand['env'], name: string | undefined): string | undefined => {
  const { current, contexts } = readContexts(env);
  const one = name ?? current;
  const known = one !== undefined && Object.hasOwn(contexts, one) ? contexts[one]?.url : undefined;
  const meant = env.DROVER_URL?.replace(/\/+$/, '') || undefined;
  if (name !== undefined || known === undefined || meant === undefined || known === meant) return known ?? meant;
  throw usage(
    'which platform?',
    `DROVER_URL is ${meant}, and ${one} is ${known}: give --url, or the name of a context`,
  );
};

/** `--context` and DROVER_CONTEXT say which one is meant here as everywhere. */
const askedIn = (
  { flags, env }: ContextCommand,
  verb: 'add' | 'login',
  rest: readonly string[],
): string | undefined => {
  if (rest[0] !== undefined || verb === 'add') return rest[0];
  return flags.context ?? (flags.url === undefined ? env.DROVER_CONTEXT || undefined : undefined);
};

const nameOf = (command: ContextCommand, verb: 'add' | 'login', rest: readonly string[]): string => {
  const again = verb === 'login' && command.flags.url === undefined ? readContexts(command.env).current : undefined;
  const name = askedIn(command, verb, rest) ?? (verb === 'login' ? (again ?? 'default') : '');
  if (NAME.test(name) && rest.length <= 1) return name;
  throw usage(`${rest.join(' ')}`, 'a context has one name: letters, digits, . _ -');
};

const add = async (command: ContextCommand, verb: 'add' | 'login', words: readonly string[]): Promise<void> => {
  const { env, out, stdin, flags } = command;
  const { fromStdin, rest, ...how } = loginOptions(words);
  const name = nameOf(command, verb, rest);
  const url = urlOf(command, verb, askedIn(command, verb, rest));
  if (flags.tokenFile !== undefined)
    throw usage('--token-file', 'a context keeps its token: pipe it in with --token-stdin');
  contextsMustBeWritable(env);
  const given = fromStdin ? await readToken(stdin, url) : undefined;
  if (given !== undefined) await command.check(url, given);
  const who = verb === 'login' && given === undefined ? await command.obtain(url, how) : undefined;
  const token = given ?? who?.token;
  const before = readContexts(env);
  const kept = Object.hasOwn(before.contexts, name) && before.contexts[name]!.protected === true;
  const one = { url, ...(token === undefined ? {} : { token }), ...(kept ? { protected: true } : {}) };
  const isCurrent = verb === 'login' || before.current === undefined;
  const file = writeContexts(env, {
    ...before,
    ...(isCurrent ? { current: name } : {}),
    contexts: { ...before.contexts, [name]: one },
  });
  if (who !== undefined)
    out(`logged in as ${who.operator.name}, ${who.role} of ${who.account.name}, until ${who.expires_at}`);
  if ((who?.ended_sessions ?? 0) > 0) out(`${who!.ended_sessions} older sessions of yours ended: there were too many`);
  out(`${name} is ${one.url}${isCurrent ? ', and current' : ''}; kept in ${file}`);
};

const remove = ({ env, out }: ContextCommand, name: string): void => {
  findContext(env, name);
  const { current, contexts } = readContexts(env);
  const left = Object.fromEntries(Object.entries(contexts).filter(([other]) => other !== name));
  writeContexts(env, { ...(current === undefined || current === name ? {} : { current }), contexts: left });
  out(`${name} is forgotten${current === name ? '; no context is current now' : ''}`);
};

const protect = ({ env, out }: ContextCommand, verb: 'protect' | 'unprotect', rest: readonly string[]): void => {
  if (rest.length !== 1) throw usage(`drover context ${verb}`, 'needs one name');
  const { name } = findContext(env, rest[0])!;
  const before = readContexts(env);
  const one = { ...before.contexts[name]!, protected: verb === 'protect' };
  writeContexts(env, { ...before, contexts: { ...before.contexts, [name]: one } });
  out(verb === 'protect' ? `${name} is protected: changes there need its name` : `${name} is protected no more`);
};

/** `drover context …` and `drover login`; answers the exit code. */
export const runContext = async (command: ContextCommand): Promise<number> => {
  const [verb, ...rest] = command.words;
  if (command.help || verb === undefined) return (command.out(CONTEXT_USAGE), command.help ? 0 : 2);
  if (verb === 'logout') return runLogout(command, rest);
  if (verb === 'list') list(command);
  else if (verb === 'add' || verb === 'login') await add(command, verb, rest);
  else if (verb === 'protect' || verb === 'unprotect') protect(command, verb, rest);
  else if (verb === 'use' || verb === 'remove') {
    if (rest.length !== 1) throw usage(`drover context ${verb}`, 'needs one name');
    if (verb === 'remove') remove(command, rest[0]!);
    else {
      const { name, url } = findContext(command.env, rest[0])!;
      writeContexts(command.env, { ...readContexts(command.env), current: name });
      command.out(`${name} (${url}) is current`);
    }
  } else throw usage(`drover context has no ${verb}`, 'it has list, use, add, remove, protect and unprotect');
  return 0;
};

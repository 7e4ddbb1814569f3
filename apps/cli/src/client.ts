import { CliError, exitCodeOf, tokenHint } from './errors.js';
import type { Settings } from './settings.js';

interface PlatformError {
  readonly code: string;
  readonly message: string;
  readonly field?: string;
  readonly hint?: string;
  readonly candidates?: readonly { readonly id: string; readonly name?: string }[];
}

type Envelope =
  | { readonly success: true; readonly data: Record<string, unknown> }
  | { readonly success: false; readonly error: PlatformError };

const causeOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
};

type Whom = Pick<Settings, 'url'> & Partial<Pick<Settings, 'token'>>;

/** Nothing was sent: no connection came about. */
const UNSENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

const codeOf = (error: unknown): unknown => {
  const { cause } = error as { readonly cause?: { readonly code?: unknown } };
  return cause?.code;
};

/** Of a change that was sent and whose answer did not come. */
const once = (key: string): string =>
  `whether it was done is not known: the same command with idempotency_key=${key} does it once, however often it is said`;

const unanswered = (settings: Whom, error: unknown, { idempotencyKey: key, signal, again }: How): CliError => {
  const isUnclear = key !== undefined && !UNSENT.has(String(codeOf(error)));
  if (signal?.aborted === true) {
    const hint = isUnclear ? (again ?? once(key)) : undefined;
    return new CliError('interrupted', 'the platform had not answered yet', hint, 130);
  }
  const hint = 'drover doctor; another platform: --url, DROVER_URL or drover context use';
  const message = `the platform at ${settings.url} does not answer`;
  return new CliError(message, causeOf(error), isUnclear ? `${hint}; ${again ?? once(key)}` : hint, 3);
};

/** How a call is made beside its arguments. */
export interface How {
  /** Of a change: said again, it is the same change. */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
  /** What to do when no answer came, for who says it otherwise than by the same command with its key. */
  readonly again?: string;
}

const request = async (
  settings: Whom,
  path: string,
  init: RequestInit,
  how: How = {},
): Promise<Record<string, unknown>> => {
  let response: Response;
  const { token } = settings;
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const keyed = how.idempotencyKey === undefined ? {} : { 'idempotency-key': how.idempotencyKey };
  try {
    response = await fetch(`${settings.url}${path}`, {
      ...init,
      headers: { ...authorization, ...keyed, 'content-type': 'application/json' },
      signal: how.signal ?? null,
    });
  } catch (error) {
    throw unanswered(settings, error, how);
  }
  return unwrap(settings, response, how);
};

const unwrap = async (settings: Whom, response: Response, how: How): Promise<Record<string, unknown>> => {
  let envelope: Envelope;
  try {
    envelope = (await response.json()) as Envelope;
  } catch (error) {
    // The connection broke in the middle of the answer: that says nothing about who answers there.
    if (how.signal?.aborted === true || !(error instanceof SyntaxError)) throw unanswered(settings, error, how);
    const why = `HTTP ${response.status}, and the body is not JSON (${causeOf(error)})`;
    const { idempotencyKey: key, again } = how;
    // What stands in between may have passed the call on.
    const hint = key === undefined || response.ok ? 'check --url' : `check --url; ${again ?? once(key)}`;
    throw new CliError(`${settings.url} does not answer like Drover`, why, hint, 3);
  }
  if (envelope.success) return envelope.data;
  const correlation_id = response.headers.get('drover-correlation-id');
  const error = { ...envelope.error, ...(correlation_id === null ? {} : { correlation_id }) };
  const why = `${error.code}${error.field === undefined ? '' : `, field ${error.field}`} (HTTP ${response.status})`;
  const { meant, hint } = meantOf(tokenHint(error.code, error.hint));
  throw new CliError(error.message, why, tryNext({ ...error, hint }), exitCodeOf(response.status), error, meant);
};

/** "did you mean X?" has a line of its own. */
const meantOf = (hint: string | undefined): { readonly meant?: string; readonly hint: string | undefined } => {
  const found = /^did you mean (.+)\?$/.exec(hint ?? '');
  return found === null ? { hint } : { meant: found[1]!, hint: undefined };
};

const tryNext = (
  error: { readonly hint: string | undefined } & Pick<PlatformError, 'candidates'>,
): string | undefined => {
  const names = (error.candidates ?? []).map((c) => (c.name === undefined ? c.id : `${c.id} (${c.name})`));
  const lines = [error.hint, names.length > 1 ? `one of:\n         ${names.join('\n         ')}` : undefined];
  const known = lines.filter((line) => line !== undefined);
  return known.length === 0 ? undefined : known.join('; ');
};

const callIt = (settings: Settings, name: string, args: Readonly<Record<string, unknown>>, how: How) =>
  request(settings, `/api/v1/tools/${encodeURIComponent(name)}`, { method: 'POST', body: JSON.stringify(args) }, how);

/** A call of a tool. When it is refused, the advice is given in commands. */
export const callTool = async (
  settings: Settings,
  name: string,
  args: Readonly<Record<string, unknown>>,
  how: How = {},
) => {
  if (settings.protectedContext !== undefined)
    await (await import('./contexts/protect.js')).confirmCall(settings, name, args, fetchCatalogue);
  try {
    return await callIt(settings, name, args, how);
  } catch (error) {
    if (!(error instanceof CliError) || error.hint === undefined || !/[a-z]_[a-z]/.test(error.hint)) throw error;
    const { advice } = await import('./hints.js');
    const hint = advice(settings, error.hint, name, args);
    throw new CliError(error.message, error.why, hint, error.exitCode, error.error, error.meant);
  }
};

/** For who has no token yet. */
export const postPublic = (url: string, path: string, body: Readonly<Record<string, unknown>>) =>
  request({ url }, `/api/v1/${path}`, { method: 'POST', body: JSON.stringify(body) });

/** Ends the token that is shown. */
export const endToken = (settings: Required<Whom>) =>
  request(settings, '/api/v1/logout', { method: 'POST', body: '{}' });

interface Named {
  readonly id?: string;
  readonly name?: string | null;
}

/** `admin in account acme`; undefined from a platform of before, which does not say. */
const whoOf = (operator: Named | undefined, account: Named | undefined): string | undefined =>
  operator === undefined || account === undefined
    ? undefined
    : `${operator.name ?? 'somebody'} in account ${account.name ?? account.id}`;

/** The tools, whether the token is a guarded one, and whose it is. */
export const fetchCatalogue = async (settings: Settings) => {
  const data = await request(settings, '/api/v1/tools', { method: 'GET' });
  const tools = data.tools as readonly { readonly name: string; readonly danger: string }[];
  const who = whoOf(data.operator as Named | undefined, data.account as Named | undefined);
  return { tools, guarded: data.guarded === true, ...(who === undefined ? {} : { who }) };
};

export const fetchTools = async (settings: Settings): Promise<readonly unknown[]> =>
  (await request(settings, '/api/v1/tools', { method: 'GET' })).tools as readonly unknown[];

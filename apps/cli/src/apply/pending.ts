import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Cli } from '../cli.js';
import { callTool } from '../client.js';
import { CliError, refusedAs } from '../errors.js';
import type { Live, Thing } from './live.js';
import type { Step } from './plan.js';
import type { ApplyRecord, Pending } from './record.js';

/** The id of what a call made. */
export const idIn = (data: Thing): string | undefined =>
  Object.values(data)
    .map((one) => (typeof one === 'object' && one !== null ? (one as Thing).id : undefined))
    .find((id): id is string => typeof id === 'string');

const waiting = ({ pending = [] }: ApplyRecord): readonly Pending[] => pending;

/**
 * The record as it stands before a step that makes something: whatever ends this process, the next one asks under the same key. `asked`
 * is the key of the same call where it waits for an approval.
 */
export const begun = (
  record: ApplyRecord,
  step: Step,
  asked: string | undefined,
): { readonly record: ApplyRecord; readonly key: string } => {
  const { key, kind, tool, arguments: args, change, secretTo } = step;
  const before = waiting(record).find((one) => one.key === key);
  const isSame = before?.tool === tool && isDeepStrictEqual(before.arguments, asStored(args));
  const idempotency_key = isSame ? before.idempotency_key : (asked ?? crypto.randomUUID());
  if (change !== 'create') return { record, key: idempotency_key };
  const secret = secretTo === undefined ? {} : { secret_to: resolve(secretTo) };
  const known = isSame ? before : {};
  const entry: Pending = { ...known, key, kind, tool, arguments: asStored(args), idempotency_key, ...secret };
  const others = waiting(record).filter((one) => one.key !== key);
  return { record: { ...record, pending: [...others, entry] }, key: idempotency_key };
};

const asStored = (args: Step['arguments']) => JSON.parse(JSON.stringify(args)) as Record<string, unknown>;

/** The answer is in hand: whatever becomes of its file and of this process, somebody may know the URL. */
export const toldNow = (record: ApplyRecord, key: string, draft: string): ApplyRecord => ({
  ...record,
  pending: waiting(record).map((one): Pending => (one.key === key ? { ...one, told: true, draft } : one)),
});

/** A call that the platform fails again under the same key would be failed for ever: the next try is another call. */
export const isFailedAgain = (before: ApplyRecord, idempotencyKey: string, error: unknown): boolean =>
  refusedAs(error) === 'internal_error' && waiting(before).some((one) => one.idempotency_key === idempotencyKey);

/** The platform has answered. */
export const ended = ({ pending = [], ...record }: ApplyRecord, key: string): ApplyRecord => {
  const left = pending.filter((one) => one.key !== key);
  return left.length === 0 ? record : { ...record, pending: left };
};

/** Whether the platform said no, so that nothing was made: no answer, one that it cannot work now, and one that it failed leave that open. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof CliError &&
  error.error !== undefined &&
  error.exitCode !== 3 &&
  refusedAs(error) !== 'internal_error';

/** It waited for an approval; what it answered is told to who asked. */
const tellDecided = (cli: Cli, { key }: Pending, { message, hint }: CliError): void =>
  cli.progress(`${key}: ${message}${hint === undefined ? '' : `; ${hint}`}`);

const AGAIN_500 = 'the platform fails at the question whether the apply that was cut off made it';

const tellFailed = (cli: Cli, { key, kind }: Pending, { id }: Thing, error: unknown): void => {
  const why = error instanceof Error ? error.message : String(error);
  const lost = kind === 'Grant' ? `; drover grant revoke ${String(id)} if its URL is lost` : '';
  cli.progress(`${key}: ${AGAIN_500} (${why}); it stays as it is, and is not taken for this fleet's${lost}`);
};

const tellUnprovable = (cli: Cli, { key }: Pending): void =>
  cli.progress(
    `${key} is attached: whether by the apply that was cut off or by somebody else cannot be told, so it is not taken for ` +
      `this fleet's; --take-over takes it`,
  );

type Outcome = 'not made' | 'ours' | 'lost' | 'of others';

/** Also what an apply reads that was cut off right after it had revoked. */
const URL_LOST = 'its URL was lost with the answer';

const isThere = ({ secret_to }: Pending): boolean => secret_to !== undefined && existsSync(secret_to);

/**
 * Only of a grant that waits for its device, and whose answer never came here, is the URL known to nobody. Whoever has joined with it, or
 * carried its file away, would be cut off.
 */
const isLost = (one: Pending, { status, revoked_reason: why }: Thing): boolean =>
  one.told !== true && !isThere(one) && (status === 'pending' || status === 'expired' || why === URL_LOST);

/** The refusal names the grant that the call made; another of the same name is somebody else's. */
const outcomeOfTold = (one: Pending, there: Thing, error: unknown): Outcome => {
  const refused = error instanceof CliError ? JSON.stringify(error.error) : '';
  if (!refused.includes(String(there.id))) return 'of others';
  return isLost(one, there) ? 'lost' : 'ours';
};

/** Said again under the same key, the call tells whether what is there is what it made. It makes nothing: what is there has the name. */
const outcomeOf = async (cli: Cli, one: Pending, there: Thing | undefined): Promise<Outcome> => {
  if (there === undefined) return 'not made';
  // Attached again it is the same peer, whoever attached it first: that answer proves nothing.
  if (one.kind === 'Peer') return (tellUnprovable(cli, one), 'of others');
  try {
    const data = await callTool(cli.settings, one.tool, one.arguments, { idempotencyKey: one.idempotency_key });
    return idIn(data) === there.id ? 'ours' : 'of others';
  } catch (error) {
    if (refusedAs(error) === 'token_told_already') return outcomeOfTold(one, there, error);
    if (refusedAs(error) === 'internal_error') return (tellFailed(cli, one, there, error), 'of others');
    if (!isRefusal(error)) throw error;
    if (refusedAs(error) === 'already_decided') tellDecided(cli, one, error as CliError);
    return 'of others';
  }
};

const REVOKE = 'system_sdwan_revoke_access_grant';

/** Nobody learned the URL of a grant that is lost so, and nobody can miss it: it gives way to one whose URL is written down. */
const revoke = async (cli: Cli, { key }: Pending, { id, status }: Thing): Promise<void> => {
  if (status === 'revoked') return;
  await callTool(cli.settings, REVOKE, { grant_id: id, reason: URL_LOST });
  cli.progress(`${key} was made by an apply that was cut off, and its URL is lost: it is revoked`);
};

/** A draft whose apply was killed before it had the URL holds blanks. */
const holdsSomething = (file: string | undefined): boolean => {
  try {
    return file !== undefined && readFileSync(file, 'utf8').trim() !== '';
  } catch {
    return false;
  }
};

/** Where to look for a URL that was told and is not in its place. */
const whereaboutsOf = (one: Pending, { id, status }: Thing): string => {
  if (one.told !== true || isThere(one) || status !== 'pending') return '';
  if (holdsSomething(one.draft)) return `; its URL stands in ${one.draft}`;
  return `; its URL is not in ${one.secret_to} any more: drover grant revoke ${String(id)} if nobody has it`;
};

interface Settled {
  readonly record: ApplyRecord;
  readonly live: Live;
}

const settle = async (cli: Cli, one: Pending, { record, live }: Settled): Promise<Settled> => {
  const there = live.things.get(one.key);
  const outcome = await outcomeOf(cli, one, there);
  // Its key stays: if it comes to be made all the same, it is made once.
  if (outcome === 'not made') return { record, live };
  const rest = ended(record, one.key);
  if (outcome === 'of others') return { record: rest, live };
  const id = String(there!.id);
  if (outcome === 'lost') {
    await revoke(cli, one, there!);
    const things = new Map([...live.things].filter(([, thing]) => thing.id !== id));
    return { record: rest, live: { ...live, things } };
  }
  cli.progress(`${one.key} was made by an apply that was cut off${whereaboutsOf(one, there!)}`);
  const made = [...rest.made.filter((known) => known.id !== id), { key: one.key, kind: one.kind, id }];
  return { record: { ...rest, made }, live };
};

/** What an apply that was cut off has begun: found out, and written down, before anything else is done. */
export const settlePending = async (
  cli: Cli,
  found: ApplyRecord,
  live: Live,
  wanted: ReadonlySet<string>,
): Promise<Settled> => {
  let settled: Settled = { record: found, live };
  for (const one of waiting(found)) settled = await settle(cli, one, settled);
  // What was not made and is in no file any more concerns nobody.
  const over = waiting(settled.record).filter(({ key }) => !wanted.has(key));
  return { ...settled, record: over.reduce((record, { key }) => ended(record, key), settled.record) };
};

const CUT_OFF = 'the next one finds out first whether it was made';

/** A preview calls nothing that could change something. */
export const tellPending = (cli: Cli, record: ApplyRecord): void => {
  for (const { key } of waiting(record)) cli.progress(`an apply was cut off at ${key}: ${CUT_OFF}`);
};

/** The same for who reads what a preview answers. */
export const openPending = (record: ApplyRecord): readonly { readonly key: string; readonly why: string }[] =>
  waiting(record).map(({ key, kind, told }) => {
    const anew = kind === 'Grant' && told !== true ? '; a grant whose URL was lost is revoked and made anew' : '';
    return { key, why: `an apply was cut off here: ${CUT_OFF}${anew}` };
  });

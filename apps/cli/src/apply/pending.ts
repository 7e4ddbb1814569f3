import { existsSync } from 'node:fs';
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
  const entry: Pending = { key, kind, tool, arguments: asStored(args), idempotency_key, ...secret };
  const others = waiting(record).filter((one) => one.key !== key);
  return { record: { ...record, pending: [...others, entry] }, key: idempotency_key };
};

const asStored = (args: Step['arguments']) => JSON.parse(JSON.stringify(args)) as Record<string, unknown>;

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

type Outcome = 'not made' | 'ours' | 'lost' | 'of others';

/** Said again under the same key, the call tells whether what is there is what it made. It makes nothing: what is there has the name. */
const outcomeOf = async (cli: Cli, one: Pending, there: Thing | undefined): Promise<Outcome> => {
  if (there === undefined) return 'not made';
  try {
    const data = await callTool(cli.settings, one.tool, one.arguments, { idempotencyKey: one.idempotency_key });
    return idIn(data) === there.id ? 'ours' : 'of others';
  } catch (error) {
    if (refusedAs(error) === 'token_told_already')
      return one.secret_to !== undefined && existsSync(one.secret_to) ? 'ours' : 'lost';
    if (!isRefusal(error)) throw error;
    if (refusedAs(error) === 'already_decided') tellDecided(cli, one, error as CliError);
    return 'of others';
  }
};

const REVOKE = 'system_sdwan_revoke_access_grant';

/** Nobody ever learned the URL of such a grant, so nobody can miss it: it gives way to one whose URL is written down. */
const revoke = async (cli: Cli, { key }: Pending, { id }: Thing): Promise<void> => {
  await callTool(cli.settings, REVOKE, { grant_id: id, reason: 'its URL was lost with the answer' });
  cli.progress(`${key} was made by an apply that was cut off, and its URL is lost: it is revoked`);
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
  cli.progress(`${one.key} was made by an apply that was cut off`);
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
  waiting(record).map(({ key, kind }) => {
    const anew = kind === 'Grant' ? '; a grant whose URL was lost is revoked and made anew' : '';
    return { key, why: `an apply was cut off here: ${CUT_OFF}${anew}` };
  });

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Cli } from '../cli.js';
import { callTool } from '../client.js';
import { CliError, refusedAs } from '../errors.js';
import type { Thing } from './live.js';
import { idIn, isRefusal } from './pending.js';
import type { Step } from './plan.js';
import { recordMustBeWritable, writeRecord, type ApplyRecord, type Asked } from './record.js';
import { keepSecret, placeOf } from './secret.js';

/** How an approval stands; `unseen`: this token may not know, `gone`: the platform knows of none. */
interface Standing {
  readonly status: 'pending' | 'approved' | 'rejected' | 'expired' | 'completed' | 'unseen' | 'gone';
  readonly expires_at?: string;
  readonly comment?: string | null;
  readonly outcome?: 'done' | 'nothing' | 'refused' | 'failed' | null;
  readonly error?: { readonly code: string; readonly message: string } | null;
  readonly answer?: { readonly status: 'ready' | 'taken' | 'expired' } | null;
}

const standingOf = async (cli: Cli, approval_id: string): Promise<Standing> => {
  try {
    return (await callTool(cli.settings, 'get_approval', { approval_id })).approval as Standing;
  } catch (error) {
    if (refusedAs(error) === 'approval_not_found') return { status: 'gone' };
    if (refusedAs(error) === 'permission_denied') return { status: 'unseen' };
    throw error;
  }
};

export type Standings = ReadonlyMap<string, Standing>;

/** Of all that waited for one when the record was written; asked for before the fleet is, which then has what they let happen. */
export const standingsOf = async (cli: Cli, { approvals = [] }: ApplyRecord): Promise<Standings> => {
  const all = new Map<string, Standing>();
  for (const { approval_id } of approvals) all.set(approval_id, await standingOf(cli, approval_id));
  return all;
};

const inOrder = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** Arguments may hold a password, so the record has no more of them than this. */
const digestOf = (args: Step['arguments']): string =>
  createHash('sha256').update(JSON.stringify(args, inOrder)).digest('hex');

/** The same call, as it was asked for before. */
export const askedBefore = ({ approvals = [] }: ApplyRecord, { key, tool, arguments: args }: Step) =>
  approvals.find((one) => one.key === key && one.tool === tool && one.arguments_digest === digestOf(args));

/** The platform has left the step for somebody to approve. */
export const waitsFor = (
  record: ApplyRecord,
  step: Step,
  approval_id: string,
  idempotency_key: string,
): ApplyRecord => {
  const { key, kind, change, tool, arguments: args, secretTo } = step;
  const secret = secretTo === undefined ? {} : { secret_to: resolve(secretTo) };
  const asked = { key, kind, change, tool, approval_id, idempotency_key, arguments_digest: digestOf(args), ...secret };
  const others = (record.approvals ?? []).filter((one) => one.approval_id !== approval_id);
  return { ...record, approvals: [...others, asked] };
};

export const without = ({ approvals = [], ...record }: ApplyRecord, over: Asked): ApplyRecord => {
  const left = approvals.filter(({ approval_id }) => approval_id !== over.approval_id);
  return left.length === 0 ? record : { ...record, approvals: left };
};

const holds = ({ status }: Standing): boolean => status === 'pending' || status === 'approved';

/** Steps that wait already: asked for again, each would wait a second time. With one that makes something waits what is left of it. */
export const notWaiting = (steps: readonly Step[], record: ApplyRecord, standings: Standings): readonly Step[] => {
  const isHeld = (step: Step): boolean => {
    const before = askedBefore(record, step);
    return before !== undefined && holds(standings.get(before.approval_id) ?? { status: 'gone' });
  };
  const notMade = new Set(steps.filter((step) => step.change === 'create' && isHeld(step)).map(({ key }) => key));
  return steps.filter((step) => !isHeld(step) && !notMade.has(step.key));
};

const whyOf = ({ approval_id: id, change }: Asked, standing: Standing): string => {
  switch (standing.status) {
    case 'pending':
      return `waits for approval ${id} until ${standing.expires_at}; \`drover approval get ${id}\` tells how it stands`;
    case 'approved':
      return `approval ${id} is given, and it is being made`;
    case 'rejected':
      return `approval ${id} was rejected${standing.comment ? `: ${standing.comment}` : ''}`;
    case 'expired':
      return `approval ${id} was not decided in time`;
    case 'completed':
      if (standing.outcome !== 'done')
        return `approval ${id} was given, and nothing was done: ${standing.error?.message ?? standing.outcome}`;
      if (change !== 'create') return `done after approval ${id}`;
      return `made after approval ${id}; who asked is told what it answered by apply, or \`drover approval take ${id}\``;
    case 'unseen':
      return `waits for approval ${id}, as far as this token may see`;
    case 'gone':
      return `the platform knows of no approval ${id}`;
  }
};

/** What is not done, though no step says so. */
export interface Open {
  readonly key: string;
  readonly why: string;
  readonly approval_id?: string;
}

export const openApprovals = ({ approvals = [] }: ApplyRecord, standings: Standings): readonly Open[] =>
  approvals.flatMap((one): Open[] => {
    const standing = standings.get(one.approval_id);
    const isSilent = standing === undefined || standing.status === 'unseen';
    return isSilent ? [] : [{ key: one.key, why: whyOf(one, standing), approval_id: one.approval_id }];
  });

const TAKE = 'take_approved_answer';

/** The call was made: what it made belongs to the record, and a grant's URL into its file. It is told once, to who asked. */
const taken = async (cli: Cli, one: Asked, { answer }: Standing, record: ApplyRecord): Promise<ApplyRecord> => {
  const { key, kind, approval_id, idempotency_key, secret_to } = one;
  const isThere = secret_to !== undefined && existsSync(secret_to);
  // One that was written by an apply that was cut off is there after the answer was taken, never before.
  if (isThere && answer?.status === 'ready')
    throw new CliError(`${key} was made after approval ${approval_id}`, `${secret_to} exists`, 'move it away', 2);
  const place = isThere ? undefined : placeOf(secret_to);
  try {
    const again = 'the same command takes the answer again, within a minute';
    const told = await callTool(cli.settings, TAKE, { approval_id }, { idempotencyKey: idempotency_key, again });
    const data = told.answer as Thing;
    keepSecret(place, data);
    cli.progress(`${key} was made after approval ${approval_id}`);
    const id = idIn(data);
    const rest = without(record, one);
    const others = rest.made.filter((known) => known.id !== id && known.key !== key);
    return id === undefined ? rest : { ...rest, made: [...others, { key, kind, id }] };
  } catch (error) {
    if (!(error instanceof CliError) || !isRefusal(error)) throw error;
    cli.progress(
      `${key} was made after approval ${approval_id}, and what it answered is not told here: ${error.message}`,
    );
    // Who asked may still come.
    return error.exitCode === 4 ? record : without(record, one);
  } finally {
    place?.discard();
  }
};

const settle = async (cli: Cli, one: Asked, standing: Standing, record: ApplyRecord): Promise<ApplyRecord> => {
  if (holds(standing) || standing.status === 'unseen') return record;
  const isMade = standing.status === 'completed' && standing.outcome === 'done';
  if (isMade && one.change === 'create') return taken(cli, one, standing, record);
  cli.progress(`${one.key}: ${whyOf(one, standing)}`);
  return without(record, one);
};

/** What came of all that waited, written down as soon as it is known: an answer is told once. */
export const settleApprovals = async (
  cli: Cli,
  found: ApplyRecord,
  standings: Standings,
  file: string,
): Promise<ApplyRecord> => {
  let record = found;
  for (const one of found.approvals ?? []) {
    const standing = standings.get(one.approval_id)!;
    if (standing.status === 'completed') recordMustBeWritable(file);
    const next = await settle(cli, one, standing, record);
    if (next !== record) writeRecord(file, next);
    record = next;
  }
  return record;
};

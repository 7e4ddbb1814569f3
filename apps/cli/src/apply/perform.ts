import type { Cli } from '../cli.js';
import { callTool } from '../client.js';
import { CliError } from '../errors.js';
import type { SecretFile } from '../vpn-file.js';
import { askedBefore, waitsFor, without } from './approvals.js';
import type { Thing } from './live.js';
import { begun, ended, idIn, isFailedAgain, isRefusal, toldNow } from './pending.js';
import type { Step } from './plan.js';
import { writeRecord, type ApplyRecord } from './record.js';
import { keepSecret, placeOf } from './secret.js';

export const SIGN = { create: '+', update: '~', delete: '-' } as const;

const remembered = (record: ApplyRecord, step: Step, data: Thing): ApplyRecord => {
  if (step.change === 'delete') {
    const gone = Object.values(step.arguments)[0];
    return { ...record, made: record.made.filter(({ id }) => id !== gone) };
  }
  const id = step.change === 'create' && data.outcome === 'done' ? idIn(data) : undefined;
  if (id === undefined) return record;
  return {
    ...record,
    made: [...record.made.filter(({ key }) => key !== step.key), { key: step.key, kind: step.kind, id }],
  };
};

const answered = (record: ApplyRecord, step: Step, data: Thing, key: string): ApplyRecord => {
  if (data.pending === true) return waitsFor(record, step, String(data.approval_id), key);
  const asked = askedBefore(record, step);
  return remembered(asked === undefined ? record : without(record, asked), step, data);
};

/** What somebody reads whose connection broke in the middle of a step. */
const AGAIN: Readonly<Record<Step['change'], string>> = {
  create: 'whether it was made is not known: the same apply finds out first, and makes it once',
  update: 'whether it was done is not known: the same apply finds out, and does what is left',
  delete: 'whether it was done is not known: the same apply finds out, and does what is left',
};
const again = ({ change, secretTo }: Step): string =>
  secretTo === undefined ? AGAIN[change] : `${AGAIN.create}; a grant whose URL was lost is revoked and made anew`;

/** One step with what has to be written down of it; answers the record with it. */
const perform = async (cli: Cli, step: Step, before: ApplyRecord, file: string): Promise<ApplyRecord> => {
  const place = placeOf(step.secretTo);
  const asked = askedBefore(before, step);
  const { record, key } = begun(before, step, asked?.idempotency_key);
  try {
    if (record !== before) writeRecord(file, record);
    const data = await callTool(cli.settings, step.tool, step.arguments, { idempotencyKey: key, again: again(step) });
    noteTold(file, record, step, place, data);
    // The secret first: what is not in the record can be taken over, what is told once cannot be told again.
    keepSecret(place, data);
    const next = answered(ended(record, step.key), step, data, key);
    if (next !== record) keepRecord(file, next, step);
    const id = String(data.approval_id);
    cli.progress(data.pending === true ? `? ${step.key} waits for approval ${id}` : `${SIGN[step.change]} ${step.key}`);
    return next;
  } catch (error) {
    if (isRefusal(error) && (record !== before || asked !== undefined))
      writeRecord(file, asked === undefined ? ended(record, step.key) : without(ended(record, step.key), asked));
    else if (isFailedAgain(before, key, error)) writeRecord(file, ended(record, step.key));
    throw error;
  } finally {
    place?.discard();
  }
};

/**
 * Before the URL is put anywhere: from here on a grant whose file is gone may be one that somebody carried to a device, and no later apply
 * may revoke it.
 */
const noteTold = (
  file: string,
  record: ApplyRecord,
  { key }: Step,
  place: SecretFile | undefined,
  data: Thing,
): void => {
  if (place === undefined || typeof data.bootstrap_url !== 'string') return;
  try {
    writeRecord(file, toldNow(record, key, place.draft));
  } catch (error) {
    // The URL is worth more than this line. What is written next meets the same disk, and says so.
    if (!(error instanceof CliError)) throw error;
  }
};

const keepRecord = (file: string, record: ApplyRecord, { key, change, secretTo }: Step): void => {
  try {
    writeRecord(file, record);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const what = change === 'create' ? `${key} is made` : `${key} is done`;
    const stay = secretTo === undefined ? '' : `leave ${secretTo} where it is until then; `;
    const hint = `${stay}make room, and run it again: it finds out what it had begun`;
    throw new CliError(`${what}, and could not be written down`, `${error.message}: ${error.why}`, hint, 9);
  }
};

const toldOf = (done: number, total: number): string => `${done} of ${total} steps are done, ${total - done} are not`;

const failedAt = (step: Step, done: number, total: number, error: CliError): CliError => {
  const message = `${step.at}: ${step.key}: ${error.message}`;
  const goesOn = error.hint?.includes('the same apply') === true ? '' : 'the same command goes on';
  const hint = [error.hint, goesOn].filter((text) => text !== undefined && text !== '').join('; ');
  const code = error.exitCode === 130 || done === 0 ? error.exitCode : 9;
  const why =
    error.error === undefined && error.exitCode === 3 ? `${toldOf(done, total)} or not known` : toldOf(done, total);
  return new CliError(message, `${error.why}; ${why}`, hint, code, error.error, error.meant);
};

/**
 * The step that is under way at Ctrl-C is waited for: what it makes has to be written down, and a grant's URL is told once. A second
 * Ctrl-C ends the process, and then nothing here can write any more: what becomes of the step is said before.
 */
const finishing = async <T>(cli: Cli, step: Step, work: () => Promise<T>): Promise<T> => {
  const say = () =>
    cli.progress(`interrupted: finishing ${step.key} first. Ctrl-C again leaves it: then ${again(step)}`);
  cli.end.addEventListener('abort', say, { once: true });
  try {
    return await work();
  } finally {
    cli.end.removeEventListener('abort', say);
  }
};

export const execute = async (cli: Cli, steps: readonly Step[], before: ApplyRecord, file: string): Promise<void> => {
  let record = before;
  /** What is not made yet: the steps after it would be refused. */
  const waiting = new Set<string>();
  for (const [done, step] of steps.entries()) {
    if (waiting.has(step.key)) {
      cli.progress(`? ${step.key} has more to be done once it is made`);
      continue;
    }
    if (cli.end.aborted) throw new CliError('interrupted', toldOf(done, steps.length), 'the same command goes on', 130);
    try {
      record = await finishing(cli, step, () => perform(cli, step, record, file));
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      throw failedAt(step, done, steps.length, error);
    }
    if (step.change === 'create' && askedBefore(record, step) !== undefined) waiting.add(step.key);
  }
};

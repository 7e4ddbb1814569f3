import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { ExportCheck, type ExportVerdict } from '../../../libs/audit/src/offline.js';
import type { AuditFlags, Output } from './audit-flags.js';
import { callTool } from './client.js';
import { CliError } from './errors.js';
import type { Settings } from './settings.js';

interface VerifyAnswer {
  readonly intact: boolean;
  readonly events: number;
  readonly through: string;
  readonly complete: boolean;
  readonly head_hash?: string;
  readonly problems: readonly { readonly kind: string; readonly position: string; readonly reason: string }[];
  readonly seals: {
    readonly count: number;
    readonly sealed_through: string;
    readonly in_file?: number;
    readonly key_ids: readonly string[];
  };
  readonly duration_ms: number;
}

/** A few seconds of work, so that a long check shows that it goes on. */
const PART = 500_000;

/** The platform's own check, part by part. */
export const verifyPlatform = async (settings: Settings, { out, progress }: Output): Promise<number> => {
  let [events, ms, parts] = [0, 0, 0];
  let answer: VerifyAnswer;
  let after: string | undefined;
  do {
    const args = { max_events: PART, ...(after === undefined ? {} : { after }) };
    answer = (await callTool(settings, 'verify_audit', args)) as unknown as VerifyAnswer;
    events += answer.events;
    ms += answer.duration_ms;
    after = answer.through;
    if (++parts > 1 || !answer.complete) progress(`${grouped(events)} events checked`);
  } while (answer.intact && !answer.complete);
  if (settings.json) out(JSON.stringify({ success: true, data: { ...answer, events, duration_ms: ms } }));
  else if (answer.intact)
    out(
      `the log is intact: ${counted(events, 'event')} in ${(ms / 1000).toFixed(1)} s, chain hash ${answer.head_hash}`,
    );
  else
    out(
      `THE LOG IS NOT INTACT\n${answer.problems.map(({ kind, position, reason }) => `  ${WHAT[kind] ?? kind} ${position}: ${reason}`).join('\n')}`,
    );
  if (!settings.json) out(sealsOf(answer));
  return answer.intact ? 0 : 1;
};

const WHAT: Readonly<Record<string, string>> = {
  event: 'event',
  stream: 'at event',
  seal: 'seal, from event',
  sink: 'file of seals, from event',
  key: 'key, from event',
};

const sealsOf = ({ seals }: VerifyAnswer): string =>
  seals.count === 0
    ? 'no seal has been made yet'
    : `${counted(seals.count, 'seal')} through event ${seals.sealed_through}${seals.in_file === undefined ? '' : `, ${seals.in_file} in the file outside the database`}; keys ${seals.key_ids.join(', ')}`;

const PROGRESS_LINES = 200_000;

/** An export, with nothing but files. */
export const verifyFile = async (flags: AuditFlags, json: boolean, { out, progress }: Output): Promise<number> => {
  const check = new ExportCheck();
  let lines = 0;
  for await (const line of linesOf(flags.file!)) {
    check.add(line);
    if (++lines % PROGRESS_LINES === 0) progress(`${grouped(lines)} lines checked`);
  }
  const outside: string[] = [];
  if (flags.seals !== undefined) for await (const line of linesOf(flags.seals)) outside.push(line);
  const verdict = check.finish(flags.keys, outside);
  const intact = verdict.problems.length === 0 && verdict.sealed > 0;
  if (json) {
    const data = { intact, ...verdict };
    out(JSON.stringify({ success: true, data }, (_, value) => (typeof value === 'bigint' ? String(value) : value)));
  } else for (const line of told(verdict, intact, flags)) out(line);
  return intact ? 0 : 1;
};

const told = (verdict: ExportVerdict, intact: boolean, flags: AuditFlags): string[] => {
  const problems = verdict.problems.map(
    ({ line, position, reason }) => `  line ${line}${position === undefined ? '' : `, event ${position}`}: ${reason}`,
  );
  if (!intact)
    return ['THE EXPORT IS NOT INTACT', ...(problems.length > 0 ? problems : ['  no seal covers any of its events'])];
  const unsealed = verdict.events - verdict.sealed;
  return [
    `the export is intact: ${counted(verdict.events, 'event')}${verdict.whole ? ', the whole log' : ' of one account'}, ${counted(verdict.seals, 'seal')}`,
    ...(unsealed === 0
      ? []
      : [`its end (${counted(unsealed, 'event')}) is covered by no seal yet: nothing is proven there`]),
    flags.keys.length > 0
      ? 'signed under a key that you gave'
      : `signed under the keys below: compare one with what you were given elsewhere, or pass --key ID\n  ${verdict.keys.join('\n  ')}`,
  ];
};

async function* linesOf(file: string): AsyncIterable<string> {
  const input = createReadStream(file);
  const failed = new Promise<never>((_, reject) => {
    input.once('error', (error) => reject(new CliError(`${file} cannot be read`, error.message, undefined, 2)));
  });
  await Promise.race([failed, new Promise<void>((resolve) => input.once('ready', () => resolve()))]);
  for await (const line of createInterface({ input, crlfDelay: Infinity })) if (line !== '') yield line;
}

const counted = (count: number, what: string): string => `${grouped(count)} ${what}${count === 1 ? '' : 's'}`;

const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',');

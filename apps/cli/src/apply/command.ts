import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Cli } from '../cli.js';
import { fetchCatalogue } from '../client.js';
import { confirmCall } from '../contexts/protect.js';
import { CliError } from '../errors.js';
import { near } from '../near.js';
import { paint } from '../text.js';
import { notWaiting, openApprovals, settleApprovals, standingsOf, type Open } from './approvals.js';
import { loadFiles, type Wanted } from './load.js';
import { readLive } from './live.js';
import { locked } from './lock.js';
import { openPending, settlePending, tellPending } from './pending.js';
import { execute, SIGN } from './perform.js';
import { plan, type FieldChange, type Step } from './plan.js';
import {
  pruning,
  readRecord,
  recordMustBeWritable,
  recordFile,
  rekeyed,
  resolved,
  usualFolder,
  writeRecord,
} from './record.js';
import { foreign, otherOwners, otherRecords, refuseOwned, takeOver, type Foreign } from './owner.js';
import { fleetSchema, type Kind } from './schema.js';

export const APPLY_USAGE = `drover apply -f FILE [-f FILE…]     make the fleet as the files say; "-" is stdin
drover diff  -f FILE [-f FILE…]     what apply would do: exit code 0 nothing, 1 something, more: it could not be found out
drover schema apply                 JSON Schema of a document, for editors and checks (also: drover apply --schema)

  --dry-run        as diff, but the exit code is 0
  --prune          also delete what an earlier apply made and the files no longer name; never anything else
  --owner NAME     which fleet these files are (default "default"): what its apply makes belongs to it, and is kept in a record
                   (also: --set). What belongs to another fleet of this machine is refused by that one's name (exit code 6)
  --take-over      take what the files name from the fleet that it belongs to, and what somebody made by hand, into this one
  --record FILE    where that record is (default: $XDG_STATE_HOME/drover/apply); keep it with the files when several people apply

Documents are YAML, several in a file between --- lines: Network, Template, Node, Peer, FirewallRule, Grant. Fields that are left out stay as they
are. Running it again changes nothing. Nothing is called when a file is wrong; when the platform refuses a step, what went before stays
(exit code 9) and the same command goes on. So it does after a connection that broke or a process that was killed in the middle of a
step: it finds out first what was made, and a grant whose URL was lost with the answer is revoked and made anew. A step that waits for an
approval is not asked for again: apply says where it waits, and once it was approved and made takes it into the record, and its URL.`;

interface Flags {
  readonly files: readonly string[];
  readonly prune: boolean;
  readonly dryRun: boolean;
  readonly schema: boolean;
  readonly takeOver: boolean;
  readonly set: string;
  readonly record?: string;
}

const usage = (message: string, why: string, meant?: string): CliError =>
  new CliError(message, why, 'drover apply --help', 2, undefined, meant);

const SWITCHES = ['prune', 'dry-run', 'schema', 'take-over'];

const flagsOf = (words: readonly string[]): Flags => {
  const files: string[] = [];
  const values: Record<string, string> = {};
  for (let i = 0; i < words.length; i++) {
    const [, name, inline] = /^--?([a-z-]+)(?:=(.*))?$/s.exec(words[i]!) ?? [];
    if (name !== undefined && SWITCHES.includes(name) && inline === undefined) values[name] = 'true';
    else if (name !== undefined && ['f', 'file', 'set', 'owner', 'record'].includes(name)) {
      const value = inline ?? words[++i];
      if (value === undefined || value === '')
        throw usage(`${words[i - 1]} needs a value`, 'the command line ends there');
      if (name === 'f' || name === 'file') files.push(value);
      else values[name === 'owner' ? 'set' : name] = value;
    } else {
      const meant = near(words[i]!, OPTIONS);
      const why = words[i]!.startsWith('-') ? `it has ${OPTIONS.join(', ')}` : 'files are given with -f';
      throw usage(words[i]!, why, meant ?? (words[i]!.startsWith('-') ? undefined : `-f ${words[i]!}`));
    }
  }
  const set = values.set ?? 'default';
  if (!/^[\w.-]{1,60}$/.test(set)) throw usage(`--owner ${set}`, 'it is a name of letters, digits, . _ -');
  if (files.length === 0 && values.schema === undefined) throw usage('which files?', '-f FILE is missing');
  const has = (name: string) => name in values;
  const shared = { prune: has('prune'), dryRun: has('dry-run'), schema: has('schema'), takeOver: has('take-over') };
  return { files, set, ...shared, ...(values.record === undefined ? {} : { record: values.record }) };
};

const OPTIONS = ['-f', '--dry-run', '--prune', '--owner', '--take-over', '--record', '--schema'];

const COLOUR = { create: undefined, update: 'yellow', delete: 'red' } as const;

/** What is shown ends in the logs of CI systems; what a module's config holds may be a password. */
const HIDDEN = /token|secret|password|passphrase|private|credential|kubeconfig|^datastore_endpoint$|(^|_)key$/i;
const hidden = (name: string, of: unknown): unknown => (HIDDEN.test(name) && typeof of === 'string' ? '[hidden]' : of);

const value = (of: unknown): string => (of === null || of === undefined ? 'nothing' : JSON.stringify(of, hidden));

const changeLine = ({ field, before, after }: FieldChange, isNew: boolean): string =>
  isNew ? `    ${field}: ${value(after)}` : `    ${field}: ${value(before)} → ${value(after)}`;

export const stepText = ({ key, change, changes, at }: Step, colours: boolean): string =>
  [
    paint(COLOUR[change], `${SIGN[change]} ${key}  (${at})`, colours),
    ...changes.map((c) => changeLine(c, change === 'create')),
  ].join('\n');

const openText = ({ key, why }: Open, colours: boolean): string => paint('yellow', `? ${key}  (${why})`, colours);

const show = async (cli: Cli, steps: readonly Step[], open: readonly Open[]): Promise<void> => {
  const plain = steps.map(({ key, change, tool, arguments: args, changes, at }) => ({
    key,
    change,
    tool,
    ...(JSON.parse(JSON.stringify({ arguments: args, changes }, hidden)) as object),
    at,
  }));
  if (cli.settings.json) {
    const data = { steps: plain, ...(open.length === 0 ? {} : { open }) };
    return cli.out(JSON.stringify({ success: true, data }));
  }
  const { terminal } = cli;
  const lines = [...steps.map((one) => stepText(one, terminal)), ...open.map((one) => openText(one, terminal))];
  await cli.out(lines.length === 0 ? 'nothing to do' : lines.join('\n'));
};

/** A grant's secret must not be lost, so its file must be free before anything is called. */
const checkSecrets = (steps: readonly Step[]): void => {
  for (const { secretTo, at, key } of steps)
    if (secretTo !== undefined && existsSync(secretTo))
      throw new CliError(
        `${at}: field write_url_to of ${key}`,
        `${secretTo} exists`,
        'move it away, or name another file',
        2,
      );
};

const sayTaken = (cli: Cli, taken: readonly Foreign[], owner: string, isPreview: boolean): void => {
  const what = isPreview ? 'would belong' : 'belongs';
  const nobody = 'to no fleet of this machine (made by hand, or by an apply elsewhere)';
  for (const { wanted, by } of taken)
    cli.progress(`${wanted.key} ${what} to ${owner}; until now ${by === undefined ? nobody : `to ${by.owner}`}`);
};

/** Whose a thing is decides who may delete it: in a protected context that is asked before any record is written. */
const confirmTaking = async ({ settings }: Cli): Promise<void> => {
  // No tool has this name, and what is not known counts as a change.
  if (settings.protectedContext !== undefined) await confirmCall(settings, 'apply --take-over', {}, fetchCatalogue);
};

const ALL: readonly Kind[] = ['Network', 'Template', 'Node', 'Peer', 'FirewallRule', 'Grant'];

/** `drover apply` and `drover diff`; answers the exit code. */
export const runApply = async (
  makeCli: () => Cli,
  verb: 'apply' | 'diff',
  words: readonly string[],
  out: Cli['out'],
): Promise<number> => {
  const flags = flagsOf(words);
  if (flags.schema) return (await out(JSON.stringify(fleetSchema(), null, 2)), 0);
  const wanted = loadFiles(flags.files);
  const cli = makeCli();
  const file = flags.record ?? recordFile(cli.env, cli.settings.url, flags.set);
  const work = () => applied(cli, verb, flags, wanted, file);
  return verb === 'diff' || flags.dryRun ? work() : locked(file, work);
};

const applied = async (
  cli: Cli,
  verb: 'apply' | 'diff',
  flags: Flags,
  wanted: readonly Wanted[],
  file: string,
): Promise<number> => {
  const { url } = cli.settings;
  const found = readRecord(file, url, flags.set);
  const kinds = new Set<Kind>(flags.prune ? ALL : wanted.map(({ doc }) => doc.kind));
  const isPreview = verb === 'diff' || flags.dryRun;
  if (isPreview) tellPending(cli, found);
  // Of what was begun: it may be in no file any more.
  for (const { kind } of found.pending ?? []) kinds.add(kind);
  const standings = await standingsOf(cli, found);
  const read = await readLive(cli, kinds);
  const settle = async () => {
    const record = await settleApprovals(cli, found, standings, file);
    return settlePending(cli, record, read, new Set(wanted.map(({ key }) => key)));
  };
  const { record: settled, live } = isPreview ? { record: found, live: read } : await settle();
  const named = resolved(wanted, live);
  const record = rekeyed(settled, named);
  const records = () => otherRecords(file, url, usualFolder(cli.env));
  const others = foreign(wanted, live, record, otherOwners(records(), flags.set));
  if (!flags.takeOver) refuseOwned(others);
  const all = [...plan(wanted, live), ...(flags.prune ? pruning(record, wanted, live) : [])];
  const steps = notWaiting(all, record, standings);
  const open = [...(isPreview ? openPending(record) : []), ...openApprovals(record, standings)];
  checkSecrets(steps);
  if (flags.takeOver) sayTaken(cli, others, flags.set, isPreview);
  if (isPreview || cli.settings.json || steps.length === 0) await show(cli, steps, open);
  else for (const one of open) cli.progress(openText(one, false));
  if (verb === 'diff') return steps.length + open.length === 0 ? 0 : 1;
  if (isPreview) return 0;
  if (steps.length > 0) recordMustBeWritable(file);
  if (!isDeepStrictEqual(record, found)) writeRecord(file, record);
  if (flags.takeOver) await confirmTaking(cli);
  await execute(cli, steps, flags.takeOver ? takeOver(others, named, record, file, records()) : record, file);
  return 0;
};

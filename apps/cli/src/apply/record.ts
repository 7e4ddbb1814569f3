import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { CliError } from '../errors.js';
import { mustBeWritable, troubleOf, writeWhole, type Place } from '../files.js';
import type { Live } from './live.js';
import type { Wanted } from './load.js';
import type { Step } from './plan.js';
import { ORDER, type Kind } from './schema.js';

/**
 * What apply has made under one name, by id: the mark by which --prune knows its own. Not every kind of thing has a field that could bear
 * a mark, and an id is never given twice: what was made by others, or anew under the same name, is not in here and stays.
 */
const kind = z.enum(['Network', 'Template', 'Node', 'Peer', 'FirewallRule', 'Grant']);
const recordShape = z.object({
  set: z.string(),
  platform: z.string(),
  made: z.array(z.object({ key: z.string(), kind, id: z.string() })),
  /** What was about to be made when the record was written: there only while it is, or after an apply that was cut off. */
  pending: z
    .array(
      z.object({
        ...{ key: z.string(), kind, tool: z.string() },
        ...{ arguments: z.record(z.string(), z.unknown()), idempotency_key: z.string() },
        secret_to: z.string().optional(),
        /** The answer came: somebody may know the URL, wherever it is by now. `draft`: where it stands if not in its place. */
        ...{ told: z.literal(true).optional(), draft: z.string().optional() },
      }),
    )
    .optional(),
  /** What waits for an approval, so that the next apply does not ask for it again. */
  approvals: z
    .array(
      z.object({
        ...{ key: z.string(), kind, change: z.enum(['create', 'update', 'delete']), tool: z.string() },
        ...{ arguments_digest: z.string(), idempotency_key: z.string(), approval_id: z.string() },
        secret_to: z.string().optional(),
      }),
    )
    .optional(),
});
export type ApplyRecord = z.output<typeof recordShape>;
export type Pending = NonNullable<ApplyRecord['pending']>[number];
export type Asked = NonNullable<ApplyRecord['approvals']>[number];

type Environment = Readonly<Record<string, string | undefined>>;

/** Where records are kept; undefined where there is no home. */
export const usualFolder = (env: Environment): string | undefined => {
  const base = env.XDG_STATE_HOME || (env.HOME ? join(env.HOME, '.local/state') : '');
  return base === '' ? undefined : join(base, 'drover/apply');
};

export const recordFile = (env: Environment, platform: string, set: string): string => {
  const folder = usualFolder(env);
  if (folder === undefined)
    throw new CliError('no place for the record', 'neither XDG_STATE_HOME nor HOME is set', '--record FILE', 2);
  const of = createHash('sha256').update(platform).digest('hex').slice(0, 12);
  return join(folder, `${set}-${of}.json`);
};

export const readRecord = (file: string, platform: string, set: string): ApplyRecord => {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { set, platform, made: [] };
    throw new CliError(`${file} cannot be read`, troubleOf(error), '--record FILE', 2);
  }
  const found = recordShape.safeParse(parsed(text));
  if (!found.success)
    throw new CliError(`${file} is no record of apply`, 'it is not what apply writes', '--record FILE', 2);
  if (found.data.platform !== platform || found.data.set !== set) {
    const why = `it is of ${found.data.set} on ${found.data.platform}, not of ${set} on ${platform}`;
    throw new CliError(`${file} is another record`, why, '--record FILE, --set NAME', 2);
  }
  return found.data;
};

/** undefined: something else lies there. */
export const recordIn = (file: string): ApplyRecord | undefined => {
  try {
    return recordShape.safeParse(parsed(readFileSync(file, 'utf8'))).data;
  } catch {
    return undefined;
  }
};

/** undefined is no record either. */
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const place = (file: string): Place => ({ file, hint: '--record FILE keeps it elsewhere', exitCode: 2 });

export const writeRecord = (file: string, record: ApplyRecord): void =>
  writeWhole(place(file), `${JSON.stringify(record, null, 2)}\n`);

/** What apply makes and cannot write down is nobody's: so it makes nothing then. */
export const recordMustBeWritable = (file: string): void => mustBeWritable(place(file));

const DELETES: Readonly<Record<Kind, readonly [tool: string, id: string]>> = {
  Network: ['system_sdwan_delete_network', 'network_id'],
  Template: ['system_delete_template', 'template_id'],
  Node: ['system_delete_node', 'node_id'],
  Peer: ['system_sdwan_detach_peer', 'peer_id'],
  FirewallRule: ['system_sdwan_delete_firewall_rule', 'firewall_rule_id'],
  Grant: ['system_sdwan_revoke_access_grant', 'grant_id'],
};

/** What the documents are as of now, by id. One thing can be named in several ways: a network by its id or its name, which changes. */
export const resolved = (wanted: readonly Wanted[], { things }: Live): ReadonlyMap<string, Wanted> =>
  new Map(
    wanted.flatMap((one): [string, Wanted][] => {
      const id = things.get(one.key)?.id;
      return typeof id === 'string' ? [[id, one]] : [];
    }),
  );

/** The record in the words that the files have now. */
export const rekeyed = (record: ApplyRecord, named: ReadonlyMap<string, Wanted>): ApplyRecord => ({
  ...record,
  made: record.made.map((one) => ({ ...one, key: named.get(one.id)?.key ?? one.key })),
});

/**
 * What the record holds, is still there under the same id, and no file names any more, whatever words it uses; what depends on others
 * goes first.
 */
export const pruning = (record: ApplyRecord, wanted: readonly Wanted[], live: Live): readonly Step[] => {
  const keys = new Set(wanted.map(({ key }) => key));
  const named = resolved(wanted, live);
  const isOver = (status: unknown) => status === 'expired' || status === 'revoked';
  const there = new Set([...live.things.values()].filter((one) => !isOver(one.status)).map((one) => one.id));
  return record.made
    .filter(({ key, id }) => !keys.has(key) && !named.has(id) && there.has(id))
    .toSorted((a, b) => ORDER.indexOf(b.kind) - ORDER.indexOf(a.kind))
    .map(({ key, kind, id }) => {
      const [tool, argument] = DELETES[kind];
      return {
        key,
        kind,
        change: 'delete',
        tool,
        arguments: { [argument]: id },
        changes: [],
        at: 'not in the files any more',
      };
    });
};

import { CliError } from '../errors.js';
import { near } from '../near.js';
import { human, table } from '../output.js';
import { jsonPath } from './jsonpath.js';

type Row = Readonly<Record<string, unknown>>;

const PLAIN = ['table', 'wide', 'json', 'yaml', 'name', 'ndjson'] as const;

export type Format =
  | { readonly kind: (typeof PLAIN)[number] }
  | { readonly kind: 'jsonpath'; readonly of: (data: unknown) => string }
  | { readonly kind: 'columns'; readonly names: readonly string[] };

export interface Shown {
  readonly format: Format;
  /** Whether somebody asked for a format, so that nothing prettier may take its place. */
  readonly asked: boolean;
  readonly fields?: readonly string[];
  readonly headers: boolean;
}

const refuse = (output: string): CliError => {
  const all = [...PLAIN, 'jsonpath=PATH', 'columns=A,B'];
  return new CliError(`-o ${output}`, `it is one of ${all.join(', ')}`, undefined, 2, undefined, near(output, PLAIN));
};

const parse = (output: string): Format => {
  const [, name = output, value] = /^(jsonpath|columns)=(.*)$/s.exec(output) ?? [];
  if (name === 'jsonpath' && value) return { kind: 'jsonpath', of: jsonPath(value) };
  if (name === 'columns' && value) return { kind: 'columns', names: value.split(',') };
  const plain = PLAIN.find((one) => one === output);
  if (plain === undefined) throw refuse(output);
  return { kind: plain };
};

/** Throws for what is no format, before anything is asked of the platform. */
export const shownAs = (flags: {
  readonly json: boolean;
  readonly output?: string;
  readonly fields?: string;
  readonly noHeaders?: boolean;
}): Shown => ({
  format: flags.output === undefined ? { kind: flags.json ? 'json' : 'table' } : parse(flags.output),
  asked: flags.output !== undefined || flags.json || flags.fields !== undefined,
  ...(flags.fields === undefined ? {} : { fields: flags.fields.split(',') }),
  headers: flags.noHeaders !== true,
});

const isRow = (value: unknown): value is Row => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The list or the thing that the answer is about. */
export const subjectOf = (data: Row): { readonly rows: readonly Row[]; readonly key: string } | undefined => {
  const entries = Object.entries(data);
  const isList = (value: unknown): value is Row[] => Array.isArray(value) && value.every(isRow);
  // Of several lists one that has something; a list that is empty is still what the answer is about.
  const list = entries.find(([, value]) => isList(value) && value.length > 0) ?? entries.find(([, v]) => isList(v));
  const thing = entries.find(([key, value]) => isRow(value) && !['dry_run', 'operation', 'normalised'].includes(key));
  if (list !== undefined && (thing === undefined || entries.indexOf(list) < entries.indexOf(thing)))
    return { key: list[0], rows: list[1] as readonly Row[] };
  return thing === undefined ? undefined : { key: thing[0], rows: [thing[1] as Row] };
};

const picked = (row: Row, fields: readonly string[] | undefined): Row =>
  fields === undefined ? row : Object.fromEntries(fields.map((name) => [name, row[name] ?? null]));

/** Only these fields of each thing; what belongs to the call stays. */
const narrowed = (data: Row, fields: readonly string[] | undefined): Row => {
  const subject = subjectOf(data);
  if (fields === undefined || subject === undefined) return data;
  const { key, rows } = subject;
  const unknown = fields.filter((name) => rows.length > 0 && rows.every((row) => !(name in row)));
  if (unknown.length > 0) {
    const known = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const why = `${key} have ${known.join(', ')}`;
    throw new CliError(`no field ${unknown[0]}`, why, undefined, 2, undefined, near(unknown[0]!, known));
  }
  const some = rows.map((row) => picked(row, fields));
  return { ...data, [key]: Array.isArray(data[key]) ? some : some[0] };
};

const nameOf = (noun: string | undefined, row: Row): string => {
  const name = row.name ?? row.hostname ?? row.id ?? row.agent_id ?? Object.values(row)[0];
  return `${noun === undefined ? '' : `${noun}/`}${String(name)}`;
};

const tables = (data: Row, { headers, fields, format }: Shown): string => {
  const columns = format.kind === 'columns' ? format.names : fields;
  const wide = format.kind === 'wide';
  if (columns === undefined && !wide && headers) return human(data);
  const subject = subjectOf(narrowed(data, columns));
  if (subject === undefined) return human(data);
  if (subject.rows.length === 0) return `no ${subject.key.replaceAll('_', ' ')}`;
  return table(subject.rows, wide || columns !== undefined ? Infinity : undefined, { headers, wide, columns });
};

/** An answer's data in the format that was asked for. */
export const render = async (data: Row, shown: Shown, noun?: string): Promise<string> => {
  const { format, fields } = shown;
  switch (format.kind) {
    case 'json':
      return JSON.stringify({ success: true, data: narrowed(data, fields) });
    case 'yaml':
      return (await import('yaml')).stringify(narrowed(data, fields), { lineWidth: 0 }).trimEnd();
    case 'name':
      return (subjectOf(data)?.rows ?? []).map((row) => nameOf(noun, row)).join('\n');
    case 'ndjson':
      return (subjectOf(data)?.rows ?? [data]).map((row) => JSON.stringify(picked(row, fields))).join('\n');
    case 'jsonpath':
      return format.of(data);
    default:
      return tables(data, shown);
  }
};

import { CliError } from './errors.js';

type Row = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Row => typeof value === 'object' && value !== null && !Array.isArray(value);

const cell = (value: unknown): string => {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'string') return value.replaceAll('\n', ' ');
  if (Array.isArray(value) && value.every((v) => typeof v !== 'object'))
    return value.length === 0 ? '-' : value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};

const MAX_CELL = 60;
const clip = (text: string): string => (text.length > MAX_CELL ? `${text.slice(0, MAX_CELL - 1)}…` : text);

/** Columns for the eye; ids are never cut, so that they can be copied. */
export const table = (rows: readonly Row[]): string => {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const shown = rows.map((row) =>
    columns.map((c) => (c === 'id' || c.endsWith('_id') ? cell(row[c]) : clip(cell(row[c])))),
  );
  const widths = columns.map((c, i) => Math.max(c.length, ...shown.map((r) => r[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((text, i) => text.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return [line(columns.map((c) => c.toUpperCase())), ...shown.map(line)].join('\n');
};

const block = (value: Row, indent = ''): string => {
  const width = Math.max(0, ...Object.keys(value).map((k) => k.length));
  return Object.entries(value)
    .map(([key, inner]) => {
      if (typeof inner === 'string' && inner.includes('\n')) return `${indent}${key}:\n${inner.trimEnd()}`;
      if (isObject(inner) && Object.keys(inner).length > 0) return `${indent}${key}:\n${block(inner, `${indent}  `)}`;
      return `${indent}${key.padEnd(width)}  ${cell(inner)}`;
    })
    .join('\n');
};

/** Lists as tables, single things as blocks, and what belongs to the call itself last. */
export const human = (data: Row): string => {
  const lists = Object.entries(data).filter(([, v]) => Array.isArray(v) && v.every(isObject)) as [string, Row[]][];
  const things = Object.entries(data).filter(([, v]) => isObject(v)) as [string, Row][];
  const rest = Object.entries(data).filter(([key]) => ![...lists, ...things].some(([k]) => k === key));
  const parts = [
    ...lists.map(([key, rows]) => (rows.length === 0 ? `no ${key.replaceAll('_', ' ')}` : table(rows))),
    ...things.map(([key, thing]) =>
      things.length + lists.length > 1 ? `${key}:\n${block(thing, '  ')}` : block(thing),
    ),
    rest.length === 0 ? '' : block(Object.fromEntries(rest)),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
};

export const failure = (error: CliError, json: boolean): string => {
  if (json) {
    const told = error.error ?? { code: 'cli_error', message: `${error.message}: ${error.why}`, hint: error.hint };
    return JSON.stringify({ success: false, error: told });
  }
  const lines = [`error:   ${error.message}`, `  why:   ${error.why}`];
  if (error.hint !== undefined) lines.push(`  try:   ${error.hint}`);
  return lines.join('\n');
};

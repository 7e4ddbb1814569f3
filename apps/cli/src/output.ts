type Row = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Row => typeof value === 'object' && value !== null && !Array.isArray(value);

const cell = (value: unknown): string => {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'string') return value === '' ? '-' : value.replaceAll('\n', ' ');
  if (Array.isArray(value) && value.every((v) => typeof v !== 'object'))
    return value.length === 0 ? '-' : value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};

const MAX_CELL = 48;
const clip = (text: string): string => (text.length > MAX_CELL ? `${text.slice(0, MAX_CELL - 1)}…` : text);

interface Column {
  readonly name: string;
  readonly width: number;
  readonly cells: readonly string[];
}

const isFlat = (value: unknown): boolean =>
  typeof value !== 'object' || (Array.isArray(value) && value.every((v) => typeof v !== 'object'));

/** What tells nothing in a list: empty everywhere, or a structure that would only be cut. */
const tells = (rows: readonly Row[], name: string): boolean =>
  rows.some((row) => !['-', '', '{}'].includes(cell(row[name]))) &&
  rows.every((row) => isFlat(row[name]) || row[name] === null);

const column = (rows: readonly Row[], name: string, whole: boolean): Column => {
  const isWhole = whole || name === 'id' || name.endsWith('_id');
  const cells = rows.map((row) => (isWhole ? cell(row[name]) : clip(cell(row[name]))));
  return { name, cells, width: Math.max(name.length, ...cells.map((text) => text.length)) };
};

const FIRST = ['id', 'tool', 'name', 'status', 'state', 'role', 'agent_id', 'instance_id'];

/** What a thing is and how it does comes first, what it refers to last. */
const rank = (name: string): number => {
  const at = FIRST.indexOf(name);
  if (at >= 0) return at;
  return name.endsWith('_id') ? FIRST.length + 1 : FIRST.length;
};

/** Tools answer some things under two names; a person needs to see them once. */
const repeats = (one: Column, other: Column): boolean =>
  one.name === 'state' && other.name === 'status' && one.cells.every((text, row) => text === other.cells[row]);

interface TableOptions {
  readonly headers?: boolean;
  /** Nothing clipped, nothing left out. */
  readonly wide?: boolean;
  /** These, in this order, and no others. */
  readonly columns?: readonly string[] | undefined;
}

const chosen = (rows: readonly Row[], { wide, columns }: TableOptions): Column[] => {
  const names = columns ?? [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (columns !== undefined) return names.map((name) => column(rows, name, true));
  return names
    .filter((name) => tells(rows, name))
    .sort((a, b) => rank(a) - rank(b))
    .map((name) => column(rows, name, wide === true));
};

/** As many columns as the terminal has room for, the telling ones first; `--json` has them all. Ids are never cut. */
export const table = (
  rows: readonly Row[],
  // A terminal that does not know its size (docker exec -t) says 0.
  width = process.stdout.columns || 160,
  options: TableOptions = {},
): string => {
  const shown: Column[] = [];
  let left = width;
  for (const one of chosen(rows, options)) {
    if (options.columns === undefined && shown.some((other) => repeats(one, other))) continue;
    if (shown.length >= 2 && one.width + 2 > left) continue;
    shown.push(one);
    left -= one.width + 2;
  }
  const line = (cellOf: (c: Column) => string) =>
    shown
      .map((c) => cellOf(c).padEnd(c.width))
      .join('  ')
      .trimEnd();
  const head = options.headers === false ? [] : [line((c) => c.name.toUpperCase())];
  return [...head, ...rows.map((_, i) => line((c) => c.cells[i]!))].join('\n');
};

interface Event {
  readonly kind: string;
  readonly payload: Row;
  readonly severity: string;
  readonly occurred_at: string;
  readonly topics?: readonly string[];
}

const isEvent = (row: Row): boolean => typeof row.kind === 'string' && isObject(row.payload) && 'occurred_at' in row;

/** One line an event: when, how bad, what, and the short facts of its payload. */
const eventLine = ({ kind, payload, severity, occurred_at, topics = [] }: Event, from: number): string => {
  const facts = Object.entries(payload)
    .filter(([, v]) => isFlat(v) && cell(v) !== '-' && cell(v).length <= MAX_CELL)
    .map(([k, v]) => `${k}=${cell(v)}`)
    .concat(topics.map((topic) => `(also ${topic})`));
  return `${occurred_at.slice(from, 23).replace('T', ' ')} ${severity.padEnd(8)} ${kind.padEnd(38)} ${facts.join(' ')}`.trimEnd();
};

/** The day is told where it is not one and the same. */
const eventLines = (events: readonly Event[]): string => {
  const isOneDay = new Set(events.map(({ occurred_at }) => occurred_at.slice(0, 10))).size === 1;
  return events.map((event) => eventLine(event, isOneDay ? 11 : 0)).join('\n');
};

const list = (rows: readonly Row[]): string =>
  rows.every(isEvent) ? eventLines(rows as unknown as readonly Event[]) : table(rows);

const block = (value: Row, indent = ''): string => {
  const width = Math.max(0, ...Object.keys(value).map((k) => k.length));
  return Object.entries(value)
    .map(([key, inner]) => {
      if (typeof inner === 'string' && inner.includes('\n')) return `${indent}${key}:\n${inner.trimEnd()}`;
      if (Array.isArray(inner) && inner.length > 0 && inner.every(isObject)) {
        return `${indent}${key}:\n${table(inner).replace(/^/gm, `${indent}  `)}`;
      }
      if (isObject(inner) && Object.keys(inner).length > 0) return `${indent}${key}:\n${block(inner, `${indent}  `)}`;
      return `${indent}${key.padEnd(width)}  ${cell(inner)}`;
    })
    .join('\n');
};

const words = (key: string): string => key.replaceAll('_', ' ');

/** An empty list is what the answer is about where its name says of what there is none (`nodes`, not `waiting_for`). */
const isList = ([key, value]: readonly [string, unknown]): boolean =>
  Array.isArray(value) && value.every(isObject) && (value.length > 0 || key.endsWith('s'));

/** Lists as tables, each under its name where there are several, single things as blocks, and what belongs to the call itself last. */
export const human = (data: Row): string => {
  const lists = Object.entries(data).filter(isList) as [string, Row[]][];
  const things = Object.entries(data).filter(([, v]) => isObject(v)) as [string, Row][];
  const rest = Object.entries(data).filter(([key, v]) => v !== null && ![...lists, ...things].some(([k]) => k === key));
  const titled = (key: string, rows: Row[]) => (lists.length > 1 ? `${words(key)}:\n${list(rows)}` : list(rows));
  const empty = lists.filter(([, rows]) => rows.length === 0).map(([key]) => words(key));
  const parts = [
    ...lists.filter(([, rows]) => rows.length > 0).map(([key, rows]) => titled(key, rows)),
    empty.length === 0 ? '' : `no ${empty.join(', ')}`,
    ...things.map(([key, thing]) =>
      things.length + lists.length > 1 ? `${key}:\n${block(thing, '  ')}` : block(thing),
    ),
    rest.length === 0 ? '' : block(Object.fromEntries(rest)),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
};

import { setTimeout as sleep } from 'node:timers/promises';

interface Row {
  readonly name: string;
  readonly status: string;
  readonly position: string;
  readonly table: string;
  readonly documents?: number;
  readonly digest?: string;
}
type Call = <T>(tool: string, args?: Record<string, unknown>) => Promise<T>;

const TRIES = 5;
const BOUND_MS = 120_000;

/**
 * Rebuilds every read model of a running platform by its own tools and compares digests. Only a comparison counts during which
 * nothing but the orders themselves was appended.
 */
export const problemsOfRebuilds = async (call: Call): Promise<string[]> => {
  const list = async () =>
    (await call<{ projections: Row[] }>('system_list_projections', { digest: true })).projections;
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const before = await quiet(list);
    for (const { name } of before) await call('system_rebuild_projection', { projection: name, reason: 'check' });
    const after = await replaced(list, before);
    const appended = Math.max(...positions(after)) - Math.max(...positions(before));
    if (appended !== before.length) continue;
    return before.flatMap((old) => {
      const now = after.find((row) => row.name === old.name)!;
      return now.digest === old.digest
        ? []
        : [`${old.name}: ${old.documents} documents before, ${now.documents} others after its rebuild`];
    });
  }
  return [`read models could not be compared: events kept coming through ${TRIES} rebuilds`];
};

const positions = (rows: readonly Row[]): number[] => rows.map((row) => Number(row.position));

/** Until everything has been handled and nothing new comes for a moment. */
const quiet = async (list: () => Promise<Row[]>): Promise<Row[]> => {
  for (let last = '', deadline = performance.now() + BOUND_MS; ;) {
    const rows = await list();
    const now = rows.map((row) => `${row.position} ${row.status}`).join();
    const settled = rows.every((row) => row.status === 'live' && row.position === rows[0]!.position);
    if (settled && now === last) return rows;
    if (performance.now() > deadline) throw new Error(`read models are never quiet: ${now}`);
    last = now;
    await sleep(500);
  }
};

const replaced = async (list: () => Promise<Row[]>, before: readonly Row[]): Promise<Row[]> => {
  const old = new Set(before.map((row) => row.table));
  for (const deadline = performance.now() + BOUND_MS; ;) {
    const rows = await list();
    if (rows.length === before.length && rows.every((row) => row.status === 'live' && !old.has(row.table))) return rows;
    if (performance.now() > deadline) throw new Error(`rebuilds do not end: ${JSON.stringify(rows)}`);
    await sleep(100);
  }
};

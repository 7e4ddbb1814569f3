export type Row = Readonly<Record<string, unknown>>;

export interface Change {
  /** listed: it is there as the watch begins. */
  readonly change: 'listed' | 'added' | 'changed' | 'removed';
  readonly id: string;
  readonly row?: Row;
}

export const idOf = (row: Row): string => String(row.id ?? row.agent_id ?? row.instance_id ?? row.name ?? '');

/**
 * What is new since the last look. Without a last look, after --after: what the events since then touched, as it is now; it may have been told before,
 * so whoever reads takes a line as "this is how it is".
 */
export const changes = (
  before: ReadonlyMap<string, Row> | undefined,
  now: ReadonlyMap<string, Row>,
  touched: ReadonlySet<string>,
): readonly Change[] => {
  if (before === undefined) {
    const isResumed = touched.size > 0;
    return [...now].flatMap(([id, row]): Change[] =>
      isResumed && !touched.has(id) ? [] : [{ change: isResumed ? 'changed' : 'listed', id, row }],
    );
  }
  const differs = ([id, row]: [string, Row]): Change[] => {
    const old = before.get(id);
    if (old === undefined) return [{ change: 'added', id, row }];
    return JSON.stringify(old) === JSON.stringify(row) ? [] : [{ change: 'changed', id, row }];
  };
  const removed = [...before].filter(([id]) => !now.has(id)).map(([id]): Change => ({ change: 'removed', id }));
  return [...[...now].flatMap(differs), ...removed];
};

const cellsOf = (line: string): string[] => line.split(/(\s{2,})/);

/** The lines with what differs from the lines before in reverse video, cell by cell. */
export const markChanged = (before: readonly string[], now: readonly string[]): string[] => {
  if (before.length === 0) return [...now];
  const known = new Map(before.map((line) => [cellsOf(line)[0], cellsOf(line)]));
  return now.map((line) => {
    const old = known.get(cellsOf(line)[0]);
    return cellsOf(line)
      .map((cell, i) => (cell.trim() === '' || old?.[i] === cell ? cell : `\x1b[7m${cell}\x1b[27m`))
      .join('');
  });
};

const rounded = (value: number): number => Math.round(value * 10) / 10;

/** Null of nothing: a number that was not measured must not look like one that was. */
export const distribution = (values: readonly number[]): Readonly<Record<'p50' | 'max', number | null>> => {
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  return { p50: median === undefined ? null : rounded(median), max: rounded(sorted.at(-1) ?? NaN) || null };
};

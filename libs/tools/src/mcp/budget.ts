import type { ToolListing } from '../tool-schema.js';

/** Three bytes a token: JSON of ids and addresses has more, so this errs on the small side. */
export const BYTES_PER_TOKEN = 3;
export const MAX_ANSWER_TOKENS = 20_000;
export const MAX_ANSWER_BYTES = MAX_ANSWER_TOKENS * BYTES_PER_TOKEN;
/** For what the cut answer says about itself. */
const RESERVE = 1_000;
const MAX_TEXT = 8_000;

type Json = Readonly<Record<string, unknown>>;

export const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? '');

interface FoundList {
  readonly path: readonly (string | number)[];
  readonly items: readonly unknown[];
  readonly bytes: number;
}

/** The list that takes most, wherever it is. Lists in items of lists count as well: one item may be the giant. */
const largestList = (value: unknown, path: readonly (string | number)[] = []): FoundList | undefined => {
  if (typeof value !== 'object' || value === null) return undefined;
  const inner = Object.entries(value).map(([key, one]) =>
    largestList(one, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  const own = Array.isArray(value) && value.length > 0 ? { path, items: value, bytes: sizeOf(value) } : undefined;
  const deeper = inner.reduce<FoundList | undefined>(
    (a, b) => (b !== undefined && (a === undefined || b.bytes > a.bytes) ? b : a),
    undefined,
  );
  // A list of several things is cut before the lists within them; a list of one has nothing to leave out.
  if (own !== undefined && (own.items.length > 1 || deeper === undefined)) return own;
  return deeper ?? own;
};

const withAt = (value: unknown, [key, ...rest]: readonly (string | number)[], inner: unknown): unknown => {
  if (key === undefined) return inner;
  if (Array.isArray(value)) return value.map((one, i) => (i === key ? withAt(one, rest, inner) : one));
  return { ...(value as Json), [key]: withAt((value as Json)[key as string], rest, inner) };
};

const fitting = (items: readonly unknown[], bytes: number): readonly unknown[] => {
  let used = 2;
  const kept = items.findIndex((item) => (used += sizeOf(item) + 1) > bytes);
  return kept < 0 ? items : items.slice(0, kept);
};

const clipTexts = (value: unknown): unknown => {
  if (typeof value === 'string') return value.length <= MAX_TEXT ? value : `${value.slice(0, MAX_TEXT)}… (cut)`;
  if (Array.isArray(value)) return value.map(clipTexts);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, clipTexts(inner)]));
};

/** Arguments that make an answer smaller. */
export const narrowBy = (tool: Pick<ToolListing, 'input_schema'> | undefined): string[] =>
  Object.keys((tool?.input_schema as { properties?: Json } | undefined)?.properties ?? {}).filter(
    (name) => !['idempotency_key', 'dry_run', 'plan_id', 'cursor', 'after', 'at'].includes(name),
  );

/**
 * An answer within the budget, cut in whole items: the largest list first. Says what is left out, and which arguments make the
 * answer smaller. `next_cursor` stays only when nothing of its page was left out.
 */
export const withinBudget = (data: Json, narrow: readonly string[], maxBytes = MAX_ANSWER_BYTES): Json => {
  if (sizeOf(data) <= maxBytes) return data;
  const omitted: Record<string, number> = {};
  let cut = clipTexts(data) as Json;
  for (let round = 0; round < 100 && sizeOf(cut) > maxBytes - RESERVE; round++) {
    const list = largestList(cut);
    if (list === undefined) break;
    const room = maxBytes - RESERVE - (sizeOf(cut) - list.bytes);
    const kept = fitting(list.items, room);
    const shown = kept.length === list.items.length ? list.items.slice(0, -1) : kept;
    const name = list.path.filter((part) => typeof part === 'string').join('.');
    omitted[name] = (omitted[name] ?? 0) + list.items.length - shown.length;
    cut = withAt(cut, list.path, shown) as Json;
  }
  return { ...cut, truncated: true, omitted, next_cursor: null, narrow_by: [...narrow] };
};

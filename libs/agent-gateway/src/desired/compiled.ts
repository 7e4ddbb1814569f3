import { canonicalJson } from '#kernel';
import { itemDigest, itemLine, sectionHashOfLines } from '#proto';

/** An item as it travels. Values that did not change are the same object wherever the source keeps its values. */
export interface EncodedItem {
  readonly bytes: Uint8Array;
  readonly digest: string;
  /** Its part of the section's hash. */
  readonly line: string;
}
export type EncodedItems = ReadonlyMap<string, EncodedItem>;

export interface CompiledSection {
  readonly name: string;
  readonly items: EncodedItems;
  /** As sectionHash of proto/agent/v1/sections.ts. */
  readonly hash: string;
}
export type CompiledState = ReadonlyMap<string, CompiledSection>;

/** Frozen values are encoded once, however many agents they go to; others may have been changed since, so each time. */
const known = new WeakMap<object, EncodedItem & { readonly key: string }>();

const encodeItem = (key: string, value: unknown): EncodedItem => {
  const reusable = typeof value === 'object' && value !== null && Object.isFrozen(value);
  const before = reusable ? known.get(value) : undefined;
  if (before?.key === key) return before;
  const bytes = before?.bytes ?? Buffer.from(canonicalJson(value));
  const digest = before?.digest ?? itemDigest(bytes);
  const encoded = { key, bytes, digest, line: itemLine(key, digest) };
  if (reusable) known.set(value, encoded);
  return encoded;
};

export const compileSection = (name: string, values: ReadonlyMap<string, unknown>): CompiledSection => {
  const items = new Map<string, EncodedItem>();
  const lines: string[] = [];
  for (const [key, value] of values) {
    const item = encodeItem(key, value);
    items.set(key, item);
    lines.push(item.line);
  }
  return { name, items, hash: sectionHashOfLines(lines) };
};

/** What turns `from` into `to`; `from` becomes equal to `to`. */
export const bringUpToDate = (from: Map<string, EncodedItem>, to: EncodedItems) => {
  const put: Record<string, Buffer> = {};
  let puts = 0;
  for (const [key, item] of to) {
    const old = from.get(key);
    if (old === item) continue;
    from.set(key, item);
    if (old?.digest === item.digest) continue;
    put[key] = item.bytes as Buffer;
    puts++;
  }
  const remove: string[] = [];
  if (from.size > to.size) {
    for (const key of from.keys()) if (!to.has(key)) remove.push(key);
    for (const key of remove) from.delete(key);
  }
  return { put, puts, remove };
};

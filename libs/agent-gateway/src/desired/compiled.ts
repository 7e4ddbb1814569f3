import { canonicalJson, type Log, errorMessage } from '#kernel';
import { itemDigest, sectionHashOf } from '#proto';

/** One section as bytes: what is hashed, compared and sent. */
export interface CompiledSection {
  readonly name: string;
  readonly items: ReadonlyMap<string, Uint8Array>;
  /** As sectionHash of proto/agent/v1/sections.ts. */
  readonly hash: string;
}
export type CompiledState = ReadonlyMap<string, CompiledSection>;

interface EncodedItem {
  readonly bytes: Uint8Array;
  readonly digest: string;
}

/** Frozen values are encoded once, however many agents they go to; others may have been changed since, so each time. */
const known = new WeakMap<object, EncodedItem>();

const encodeItem = (value: unknown): EncodedItem => {
  const reusable = typeof value === 'object' && value !== null && Object.isFrozen(value);
  const before = reusable ? known.get(value) : undefined;
  if (before !== undefined) return before;
  const bytes = Buffer.from(canonicalJson(value));
  const encoded = { bytes, digest: itemDigest(bytes) };
  if (reusable) known.set(value, encoded);
  return encoded;
};

export const compileSection = (name: string, values: ReadonlyMap<string, unknown>): CompiledSection => {
  const items = new Map<string, Uint8Array>();
  const digests = new Map<string, string>();
  for (const [key, value] of values) {
    const { bytes, digest } = encodeItem(value);
    items.set(key, bytes);
    digests.set(key, digest);
  }
  return { name, items, hash: sectionHashOf([...items.keys()], (key) => digests.get(key)!) };
};

export const logCompileError = (log: Log, source: string, instanceId: string, error: unknown): void =>
  log.error(
    { source, instanceId, error: errorMessage(error) },
    'desired state could not be compiled; the last one stays',
  );

import { canonicalJson } from '#kernel';

/** Thrown and caught inside this file only. */
class NotPlain extends Error {}
const NOT_PLAIN = new NotPlain();

/** Keys that look like integers come first in a JavaScript object whatever order they are put in. */
const REORDERED_KEY = /^\d|^__proto__$/;
const SURROGATE = /[\ud800-\udfff]/;

/**
 * The same text as `canonicalJson`, several times faster for plain payloads: it orders the keys and leaves the rest to
 * JSON.stringify. Whatever could differ there goes to `canonicalJson` itself. Serialising is most of an append's cost.
 */
export const quickCanonicalJson = (value: unknown): string => {
  try {
    return JSON.stringify(ordered(value));
  } catch (error) {
    if (error !== NOT_PLAIN) throw error;
    const text = canonicalJson(value);
    // It writes holes and functions as nothing at all; what cannot be read again must not be stored.
    JSON.parse(text);
    return text;
  }
};

const ordered = (value: unknown): unknown => {
  if (typeof value === 'string') {
    if (SURROGATE.test(value)) throw NOT_PLAIN;
    return value;
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw NOT_PLAIN;
    return value;
  }
  if (value === null || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return orderedArray(value);
  if (typeof value === 'object') return orderedObject(value as Record<string, unknown>);
  if (typeof value === 'function') throw new TypeError('a function has no JSON form');
  throw NOT_PLAIN;
};

const orderedArray = (values: readonly unknown[]): unknown[] => {
  const result = new Array<unknown>(values.length);
  for (let index = 0; index < values.length; index++) {
    if (!(index in values)) throw new TypeError('an array with holes has no JSON form');
    result[index] = ordered(values[index]);
  }
  return result;
};

const orderedObject = (value: Record<string, unknown>): Record<string, unknown> => {
  if (typeof value.toJSON === 'function') throw NOT_PLAIN;
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort()) {
    if (REORDERED_KEY.test(key) || SURROGATE.test(key)) throw NOT_PLAIN;
    if (value[key] !== undefined) result[key] = ordered(value[key]);
  }
  return result;
};

import { plainText } from '#kernel';

/** Every string of an answer, keys included, as text that shows all it holds. */
export const plain = <T>(value: T): T => {
  if (typeof value === 'string') return plainText(value) as T;
  if (Array.isArray(value)) return value.map(plain) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [plainText(key), plain(inner)])) as T;
};

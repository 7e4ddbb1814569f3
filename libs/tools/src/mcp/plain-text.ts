/**
 * What can hide instructions or change how text looks: controls other than line ends and tabs, zero-width and bidirectional
 * marks, tag characters, halves of characters. Terminal escapes begin with one of these.
 */
const HIDDEN =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]|\p{Cs}/gu;

export const plainText = (text: string): string => text.replaceAll(HIDDEN, '');

/** Every string of an answer, keys included, as text that shows all it holds. */
export const plain = <T>(value: T): T => {
  if (typeof value === 'string') return plainText(value) as T;
  if (Array.isArray(value)) return value.map(plain) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [plainText(key), plain(inner)])) as T;
};

/**
 * What can hide instructions or change how text looks: controls other than line ends and tabs, zero-width and bidirectional
 * marks, tag characters, halves of characters. Terminal escapes begin with one of these.
 */
const HIDDEN =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]|\p{Cs}/gu;

export const plainText = (text: string): string => text.replaceAll(HIDDEN, '');

/** So much is looked at for each character that is kept: text may be all of things that do not show. */
const LOOKED_AT = 4;

/**
 * Text of machines that others own (an API server of a tenant, who answers a webhook) as it may be written down: one line, of
 * characters that show, and no longer than `most`. What is no text is none.
 */
export const foreignText = (said: unknown, most = 300): string => {
  const text = typeof said === 'string' ? said : typeof said === 'number' ? String(said) : '';
  const looked = text.slice(0, most * LOOKED_AT);
  const line = plainText(looked.replace(/\s+/gu, ' ')).trim();
  if (line.length <= most && looked.length === text.length) return line;
  return `${plainText(line.slice(0, most - 1))}…`;
};

import type { ToolOrigin } from '#event-store';

const MAX_TEXT = 80;
const MAX_ARGUMENTS = 20;
/** What no event may hold: NUL and halves of characters. */
const MALFORMED = /[\0\p{Cs}]/gu;
/** Names of arguments whose values stand in no event, whatever they hold. */
const HIDDEN = /token|secret|password|passphrase|private|credential|kubeconfig|(^|_)key$/i;

/** Many a URL is a capability, or holds a password: that of a webhook, of a bootstrap, of a database. Where it leads to is enough. */
const withoutCapabilities = (text: string): string => wholeUrl(text) ?? withoutUrls(text);

/** Those that mean the same with any number of slashes, of either kind. */
const SPECIAL = /^(https?|wss?|ftp):$/;

/** What is a URL from end to end, for whoever calls it: with blanks in it, without slashes, with a line break in its scheme. */
const wholeUrl = (text: string): string | undefined => {
  const url = URL.parse(text);
  if (url === null || !(SPECIAL.test(url.protocol) || url.href.startsWith(`${url.protocol}//`))) return undefined;
  if (text.includes('@') || url.host === '') return `${url.protocol}//…`;
  const origin = `${url.protocol}//${url.host}`;
  if (url.href !== origin && url.href !== `${origin}/`) return `${origin}/…`;
  // Not as it was written: /capability/.. leads there too.
  return /[\\/]\s*$/.test(text) ? `${origin}/` : origin;
};

/** More than is kept of any text. */
const MAX_READ = 2_000;
/** What is before an @ may be a password, and a password may hold anything, blanks too. */
const URLS = /((?:https?|wss?|ftp):[\\/]*|[a-z][a-z0-9+.-]*:[\\/]{2,})([^]*@\S*|\S*)/gi;
const withoutUrls = (text: string): string =>
  (text.length > MAX_READ ? `${text.slice(0, MAX_READ)}…` : text).replaceAll(
    URLS,
    (_, scheme: string, rest: string) => {
      const host = rest.includes('@') ? '' : /^[^\\/?#]*/.exec(rest)![0];
      return rest === host || rest === `${host}/` ? `${scheme}${rest}` : `${scheme}${host}${host === '' ? '' : '/'}…`;
    },
  );

/** A call's arguments as its events keep them: who reads the story must see what was asked for, not all of it. */
export const argumentsInShort = (input: Readonly<Record<string, unknown>>): ToolOrigin['arguments'] =>
  Object.fromEntries(
    Object.entries(input)
      .filter(([, value]) => value !== undefined)
      .slice(0, MAX_ARGUMENTS)
      .map(([name, value]) => [name, HIDDEN.test(name) ? '[hidden]' : inShort(value)]),
  );

const inShort = (value: unknown): string | number | boolean | null => {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  if (typeof value === 'string') return clip(withoutCapabilities(value));
  if (Array.isArray(value))
    return value.every((one) => typeof one === 'string' || typeof one === 'number')
      ? clip(value.map((one) => withoutCapabilities(String(one))).join(', '))
      : `${value.length} items`;
  // Only what it is about: a module's config may hold anything.
  return clip(`{${Object.keys(value as object).join(', ')}}`);
};

/** By code points, so that no half of a character is left. */
const clip = (text: string): string => {
  const clean = text.replaceAll(MALFORMED, '');
  return clean.length <= MAX_TEXT ? clean : `${[...clean].slice(0, MAX_TEXT - 1).join('')}…`;
};

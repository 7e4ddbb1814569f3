/** Names of fields whose values are secrets, whatever they look like. */
const SECRET_NAME =
  /(token|secret|password|passwd|private|preshared|client[-_]?key[-_]?data|kubeconfig|bootstrap_url|key_pem|credential|authorization|join|command|config$)/i;
/** …and what is none though it is called so. */
const NO_SECRET = /(_id|_ids|_at|_count|_ref|_seconds|_version|_generation)$/i;

/** Without its end no more than a key is long: somebody may only speak of one. */
const PRIVATE_KEY =
  /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z0-9 ]*PRIVATE KEY-----|(?:[^\n]*\n?){0,400})/g;
const END_OF_KEY = /-----END [A-Z0-9 ]*PRIVATE KEY-----/;

/** What is a secret wherever it stands. */
const SECRET_TEXT: readonly RegExp[] = [
  /\bdrv[a-z]?_[A-Za-z0-9_-]{16,}/g,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g,
  PRIVATE_KEY,
  /(?<=:\/\/[^\s:/@]*:)[^\s@/]+(?=@)/g,
  /(?<=\bBearer )[^\s"]+/gi,
  /\bK10[0-9a-f]{32,}[^\s"]*/g,
  // As it stands in a line of a log: `--token x`, `password=x`, `"secret": "x"`, and so quoted once more.
  /(?<=(?:token|secret|password|passwd|passphrase)\\*["']?\s*[=:]\s*\\*["']?)(?:[^\s"',;}\\]|\\(?!["']))+/gi,
  // Keys of WireGuard and of kubeconfigs: `PrivateKey = x`, `"private_key":"x"`, `client-key-data: x`.
  /(?<=(?:(?:private|preshared)[-_ ]?key|client[-_]key[-_]data)\\*["']?\s*[=:]\s*\\*["']?)(?!\[left out)[^\s"',;}\\]+/gi,
  /(?<=--(?:[a-z-]*-)?(?:token|secret|password)\s+)\S+/gi,
];

const LEFT_OUT = '[left out]';

const text = (value: string, known: readonly string[]): string => {
  const withoutKnown = known.reduce((left, secret) => left.replaceAll(secret, LEFT_OUT), value);
  return SECRET_TEXT.reduce((left, pattern) => left.replace(pattern, LEFT_OUT), withoutKnown);
};

/**
 * A whole log without private keys, before it is taken apart: they stand in several lines, of which most look like nothing. Of an end
 * whose beginning was cut off nobody can tell how far back the key goes, so all before it is left out.
 */
export const withoutKeys = (log: string): string => {
  const lines = log.replace(PRIVATE_KEY, LEFT_OUT).split('\n');
  const end = lines.findLastIndex((line) => END_OF_KEY.test(line));
  return end < 0 ? lines.join('\n') : [LEFT_OUT, ...lines.slice(end + 1)].join('\n');
};

/** The same without secrets: by the names of fields, by what secrets look like, and without those that are known. */
export const redacted = (value: unknown, known: readonly string[], name = ''): unknown => {
  const isNamed = SECRET_NAME.test(name) && !NO_SECRET.test(name);
  if (isNamed && value !== null && value !== undefined && typeof value !== 'boolean') return LEFT_OUT;
  if (typeof value === 'string') return text(value, known);
  if (Array.isArray(value)) return value.map((one) => redacted(one, known));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [text(key, known), redacted(inner, known, key)]),
  );
};

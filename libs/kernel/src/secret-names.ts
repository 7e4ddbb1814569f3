/** Words that, in a field's name, say that its value may be a secret. `key` alone is one of them: public keys are told apart by name. */
const WORDS = new Set([
  ...['token', 'secret', 'password', 'passwd', 'passphrase', 'pwd', 'psk', 'pin', 'otp', 'seed', 'mnemonic', 'nonce'],
  ...['key', 'keys', 'pem', 'pkcs', 'kubeconfig', 'credential', 'authorization', 'auth', 'bearer', 'cookie', 'session'],
  ...[
    'jwt',
    'apikey',
    'signature',
    'plaintext',
    'dsn',
    'connection',
    'env',
    'environment',
    'headers',
    'stdin',
    'stdout',
  ],
]);
/** What makes a `key` a secret one where keys of maps are usual. */
const SECRET_KEYS = new Set([
  'private',
  'api',
  'secret',
  'ssh',
  'access',
  'encryption',
  'signing',
  'tls',
  'shared',
  'master',
]);

/** snake_case, kebab-case and camelCase alike, in lower case and without the plural. */
const wordsOf = (name: string): string[] =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
    .map((word) => (WORDS.has(word) || !WORDS.has(word.replace(/s$/, '')) ? word : word.replace(/s$/, '')));

/** The word in a field's name that says its value may be a secret; strict, for lints with a list of reasoned exceptions. */
export const secretWord = (name: string): string | undefined => wordsOf(name).find((word) => WORDS.has(word));

const namesSecret = (name: string): boolean => {
  const words = wordsOf(name);
  const last = words.at(-1) ?? '';
  return last === 'key' ? words.some((word) => SECRET_KEYS.has(word)) : PLAIN_SECRETS.has(last);
};
const PLAIN_SECRETS = new Set([
  'token',
  'secret',
  'password',
  'passwd',
  'passphrase',
  'pwd',
  'psk',
  'kubeconfig',
  'credential',
  'bearer',
  'cookie',
  'jwt',
  'apikey',
]);

/** Values that are secrets whatever they are called: private keys, K3s tokens, this platform's own tokens, kubeconfigs. */
const SHAPES = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /\bK10[0-9a-f]{64}::/,
  /\bdrvj?_[0-9a-f-]{36,40}_[A-Za-z0-9_-]{43}/,
  /\bdg_[0-9a-f-]{36}_[A-Za-z0-9_-]{43}|\bdd_[0-9a-f]{64}/,
  /client-key-data:/,
];
export const looksSecret = (text: string): boolean => SHAPES.some((shape) => shape.test(text));

/** Where in a JSON value of free form a secret seems to stand: by its name, if it is a text, or by its shape. */
export const secretPath = (value: unknown, path: readonly string[] = []): string | undefined => {
  if (typeof value === 'string') {
    const named = path.length > 0 && namesSecret(path.at(-1)!) && value !== '';
    return named || looksSecret(value) ? path.join('.') : undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    // An element of a list is called what the list is called.
    const found = secretPath(inner, Array.isArray(value) ? path : [...path, name]);
    if (found !== undefined) return found;
  }
  return undefined;
};

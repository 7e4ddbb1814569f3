import { looksSecret, secretPath, secretWord } from './secret-names.js';

it.each([
  'token',
  'join_token',
  'serverToken',
  'server-tokens',
  'privateKey',
  'PRIVATE_KEY',
  'tls_key_pem',
  'Cookie',
  'kubeconfig',
])('finds the word in %s', (name) => expect(secretWord(name)).toBeDefined());
it.each(['name', 'monkey', 'tokenizer', 'author', 'opinion', 'pinned', 'reason', 'keyboard', 'environmental'])(
  'finds none in %s',
  (name) => expect(secretWord(name)).toBeUndefined(),
);

it.each([
  ['-----BEGIN EC PRIVATE KEY-----\nMHc'],
  [`K10${'a'.repeat(64)}::server:abc`],
  [`drv_${'0'.repeat(40)}_${'x'.repeat(43)}`],
  [`DROVER_JOIN_TOKEN=drvj_00000000-0000-4000-8000-000000000000_${'x'.repeat(43)} drover-agent run`],
  [`dg_00000000-0000-4000-8000-000000000000_${'x'.repeat(43)}`],
  [`dd_${'0'.repeat(64)}`],
  ['users:\n- user:\n    client-key-data: abc'],
])('knows %j by its shape', (text) => expect(looksSecret(text)).toBe(true));
it.each(['-----BEGIN CERTIFICATE-----', 'jt_0123456789abcdef', 'a'.repeat(64), 'cluster-1#kubeconfig'])(
  'takes %s for no secret',
  (text) => expect(looksSecret(text)).toBe(false),
);

describe('a value of free form', () => {
  it.each<[string, unknown, string]>([
    ['a text under a telling name', { a: { password: 'x' } }, 'a.password'],
    ['an element of a list that is called so', { tokens: ['x'] }, 'tokens'],
    ['a private key of any name', { note: '-----BEGIN PRIVATE KEY-----' }, 'note'],
    ['a secret key', { list: [{ 'ssh-key': 'x' }] }, 'list.ssh-key'],
  ])('is refused for %s', (_, value, path) => expect(secretPath(value)).toBe(path));

  it.each<[string, unknown]>([
    ['a flag about secrets', { 'secrets-encryption': true, token: null, password: '' }],
    ['a number', { token: 3 }],
    ['the key of a label', { labels: [{ key: 'zone', value: 'a' }] }],
    ['what is about a token', { token_ttl: '15m', 'password-file': '/etc/pw' }],
    ['what modules take', { target_cluster_id: 'k3s-cluster-1', disable: ['traefik'] }],
  ])('passes with %s', (_, value) => expect(secretPath(value)).toBeUndefined());
});

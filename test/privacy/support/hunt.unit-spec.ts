import { generateKeyPairSync } from 'node:crypto';
import { bytesSecret, emptyHomes, hunt, keySecrets, strayed, textSecret, type Place } from './hunt.js';

const TOKEN = 'drv_0123456789abcdef_Zm9vYmFyYmF6cXV4';
const place = (content: string | Buffer, name = 'a log'): Place => ({ name, content: Buffer.from(content) });
const found = (content: string | Buffer) => hunt([textSecret('token', TOKEN)], [place(content)]);

it.each<[string, (token: Buffer) => string | Buffer]>([
  ['as it is', (t) => `{"msg":"x ${t.toString()}"}`],
  ['in hex', (t) => `\\x00${t.toString('hex')}ff`],
  ['in capitals of hex', (t) => t.toString('hex').toUpperCase()],
  ['in base64', (t) => t.toString('base64')],
  [
    'in the middle of something in base64',
    (t) => Buffer.concat([Buffer.from('a'), t, Buffer.from('zz')]).toString('base64'),
  ],
  ['two bytes into it', (t) => Buffer.concat([Buffer.from('ab'), t, Buffer.from('z')]).toString('base64')],
  ['in base64 for URLs', (t) => Buffer.concat([Buffer.from('??'), t]).toString('base64url')],
  ['in bytes', (t) => Buffer.concat([Buffer.from([0, 255]), t, Buffer.from([0])])],
])('a planted secret is found %s', (_, plant) => {
  expect(found(plant(Buffer.from(TOKEN)))).toEqual([{ secret: 'token', form: expect.any(String), place: 'a log' }]);
});

it('nothing is found where nothing is', () => {
  expect(found('drv_0123456789abcdef_ is the beginning of every token of this operator')).toEqual([]);
});

it('a private key is found as PEM, as one line of it, as DER, as JWK and as a number', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const secrets = keySecrets('key', pkcs8);
  const { d } = privateKey.export({ format: 'jwk' }) as { d: string };
  for (const shown of [
    pkcs8,
    JSON.stringify({ pem: pkcs8 }),
    privateKey.export({ type: 'sec1', format: 'pem' }) as string,
    privateKey.export({ type: 'pkcs8', format: 'der' }),
    JSON.stringify({ d }),
    Buffer.from(d, 'base64url').toString('hex'),
    Buffer.from(pkcs8).toString('base64'),
  ])
    expect(hunt(secrets, [place(shown)]).length).toBeGreaterThan(0);
});

it('what is too short to be told from chance is refused', () => {
  expect(() => bytesSecret('pin', Buffer.from('1234'))).toThrow(RangeError);
});

it('a secret may be at home, and homes that are empty show', () => {
  const findings = hunt([textSecret('token', TOKEN)], [place(TOKEN, 'admin.token'), place(TOKEN, 'platform.log')]);
  const homes = [
    { secret: /^token$/, place: /^admin\.token$/, reason: 'for the operator' },
    { secret: /^token$/, place: /^nowhere$/, reason: 'none' },
  ];
  expect(strayed(findings, homes)).toEqual(['token (as it is) in platform.log']);
  expect(emptyHomes(findings, homes)).toEqual(['^token$ in ^nowhere$']);
});

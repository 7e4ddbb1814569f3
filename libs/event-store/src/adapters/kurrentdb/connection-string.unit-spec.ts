import { ConfigError } from '#kernel';
import { parseAddress } from './connection-string.js';

it.each([
  ['kurrentdb://h', 'kurrentdb://h:2113', 'h:2113'],
  ['esdb://admin:changeit@a:1,b:2?tls=false', 'kurrentdb://admin:changeit@a:1,b:2?tls=false', 'a:1,b:2'],
  [
    'esdb+discover://cluster.example/?nodePreference=leader',
    'kurrentdb+discover://cluster.example:2113?nodePreference=leader',
    'cluster.example:2113',
  ],
  ['kdb://h?TLS-verify_cert=false', 'kurrentdb://h:2113?tlsVerifyCert=false', 'h:2113'],
  ['kurrent://h?tlsCaFile=%2Fetc%2Fca.pem', 'kurrentdb://h:2113?tlsCaFile=%2Fetc%2Fca.pem', 'h:2113'],
  ['kurrentdb://u:p@ss:w%25rd@h:9', 'kurrentdb://u:p%40ss%3Aw%25rd@h:9', 'h:9'],
])('%s is read as %s', (given, url, where) => {
  expect(parseAddress(given)).toMatchObject({ url, where });
});

it.each([
  ['postgres://h/db', /must look like kurrentdb:\/\//],
  ['h:2113', /must look like/],
  ['kurrentdb://', /must look like/],
  ['kurrentdb://h:99999', /port of h:99999/],
  ['kurrentdb://h:x', /"h:x" is not HOST/],
  ['kurrentdb://only-a-user@h', /USER:PASSWORD/],
  ['kurrentdb://u:%zz@h', /well escaped/],
  ['kurrentdb://h?tlsCAFiel=x', /unknown option tlsCAFiel; did you mean tlsCaFile/],
  ['kurrentdb://h?throwOnAppendFailure=false', /unknown option throwOnAppendFailure/],
  ['kurrentdb://h?tls=perhaps', /tls must be true or false/],
  ['kurrentdb://h?tls=', /tls has no value/],
  ['kurrentdb://h?nodePreference=follower', /must be leader/],
])('%s is refused by name', (given, reason) => {
  expect(() => parseAddress(given)).toThrow(reason);
  expect(() => parseAddress(given)).toThrow(ConfigError);
});

it('never tells the password, in whatever form', () => {
  const address = parseAddress('kurrentdb://drover:s3cr%2Fet@db:2113?tls=false');
  for (const text of ['s3cr/et', 's3cr%2Fet', 'kurrentdb://drover:s3cr%2Fet@db:2113?tls=false'])
    expect(address.hide(`failed: ${text}!`)).not.toMatch(/s3cr/);
  for (const wrong of [
    'kurrentdb://drover:s3cret@db:2113?tlss=1',
    'kurrentdb://drover:s3cret%zz@h',
    'x://drover:s3cret@h',
  ])
    expect(() => parseAddress(wrong)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('s3cret') }),
    );
});

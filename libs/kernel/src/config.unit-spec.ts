import { resolve } from 'node:path';
import { ConfigError, parseConfig, settingsSchema } from './config.js';

const refusalOf = (env: Record<string, string>): string => {
  try {
    parseConfig(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error(`accepted: ${JSON.stringify(env)}`);
};

it('has a default for everything, and the defaults are what the README says', () => {
  expect(parseConfig({})).toMatchObject({
    DROVER_DATA_DIR: resolve('data'),
    DROVER_HTTP_ADDR: '127.0.0.1:8080',
    DROVER_AGENT_ADDR: '0.0.0.0:7443',
    DROVER_ENROLL_ADDR: '0.0.0.0:7444',
    DROVER_EVENT_STORE: 'postgres',
    DROVER_LOG_LEVEL: 'info',
    DATABASE_URL: undefined,
  });
});

it('takes an empty value for an absent one, and leaves the environment of others alone', () => {
  expect(parseConfig({ DROVER_HTTP_ADDR: '', PATH: '/bin', DROVER_TOKEN: 'x', DROVER_URL: 'y' })).toEqual(
    parseConfig({}),
  );
});

it('cannot be changed after it was read', () => {
  expect(Object.isFrozen(parseConfig({}))).toBe(true);
});

it('reads numbers, and IPv6 addresses in brackets', () => {
  expect(parseConfig({ DROVER_BEAT_MS: '250', DROVER_HTTP_ADDR: '[::1]:80' })).toMatchObject({
    DROVER_BEAT_MS: 250,
    DROVER_HTTP_ADDR: '[::1]:80',
  });
});

it.each([
  ['DROVER_HTTP_ADDR', '8080', 'must be HOST:PORT, for example 127.0.0.1:8080'],
  ['DROVER_HTTP_ADDR', '127.0.0.1:99999', 'the port must be 0 to 65535'],
  ['DROVER_AGENT_ADDR', '::1:7443', 'must be HOST:PORT, for example 0.0.0.0:7443'],
  ['DROVER_ENROLL_ADDR', 'host:port', 'must be HOST:PORT, for example 0.0.0.0:7444'],
  ['DROVER_PUBLIC_URL', 'drover.example', 'must be a URL, for example http://10.0.0.1:8080'],
  ['DATABASE_URL', 'mysql://root:hunter2@db/x', 'must start with postgres:// or postgresql://'],
  ['DROVER_EVENT_STORE', 'postgre', 'must be one of postgres, kurrentdb, memory; did you mean postgres?'],
  ['DROVER_LOG_LEVEL', 'inof', 'must be one of trace, debug, info, warn, error, silent; did you mean info?'],
  ['DROVER_PROVISIONER', '/tmp/lab.sock', 'must be NAME=/path/to/socket'],
  ['DROVER_BEAT_MS', 'fast', 'must be a number'],
  ['DROVER_BEAT_MS', '1.5e2.5', 'must be a number'],
  ['DROVER_BEAT_MS', '200.5', 'must be a whole number'],
  ['DROVER_BEAT_MS', '99', 'must be at least 100'],
  ['DROVER_LEASE_MS', '299', 'must be at least 300'],
  ['DROVER_VIP_BEAT_MS', '49', 'must be at least 50'],
  ['DROVER_VIP_LEASE_MS', '149', 'must be at least 150'],
  ['DROVER_KEY_ROTATION_WAIT_MINUTES', '0', 'must be at least 0.1'],
])('refuses %s=%s by name: %s', (name, value, reason) => {
  expect(refusalOf({ [name]: value })).toBe(`configuration refused:\n  ${name}: ${reason}`);
});

it('refuses a virtual IP lease that one lost beat would end', () => {
  expect(refusalOf({ DROVER_VIP_BEAT_MS: '400', DROVER_VIP_LEASE_MS: '700' })).toContain(
    'DROVER_VIP_LEASE_MS: must be at least twice DROVER_VIP_BEAT_MS',
  );
});

it.each([
  ['DROVER_HTP_ADDR', 'DROVER_HTTP_ADDR'],
  ['DROVER_DATADIR', 'DROVER_DATA_DIR'],
  ['DROVER_TOKE', 'DROVER_TOKEN'],
])('refuses the misspelt %s and means %s', (wrong, right) => {
  expect(refusalOf({ [wrong]: 'x' })).toContain(`${wrong}: unknown setting; did you mean ${right}?`);
});

it('guesses nothing where nothing is near', () => {
  expect(refusalOf({ DROVER_COMPLETELY_DIFFERENT_THING: 'x' })).toBe(
    'configuration refused:\n  DROVER_COMPLETELY_DIFFERENT_THING: unknown setting',
  );
});

it('names every problem at once, and shows no value that may hold a password', () => {
  const message = refusalOf({ DATABASE_URL: 'mysql://root:hunter2@db/x', DROVER_HTTP_ADDR: 'x', DROVER_LOGLEVEL: 'y' });
  expect(message.split('\n')).toHaveLength(4);
  expect(message).not.toContain('hunter2');
});

it('describes every setting for the reference', () => {
  for (const [name, schema] of Object.entries(settingsSchema.shape))
    expect([name, schema.description]).toEqual([name, expect.stringMatching(/\w/)]);
});

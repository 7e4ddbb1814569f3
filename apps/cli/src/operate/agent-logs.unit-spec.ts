import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CliError } from '../errors.js';
import { journalLogs, logFile } from './agent-logs.js';
import { redacted } from './redact.js';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'drover-logs-'));
});
afterEach(() => rmSync(home, { recursive: true }));

/** Each is found wherever it stands in what is handed on. */
const CANARIES = [
  'drvj_canary0123456789abcdef',
  `K10${'c0ffee'.repeat(8)}::server:canary`,
  'canary-a',
  'canary-b',
  'canary-c',
  'canary-d',
];

it('the logs of agents are handed on without what is secret in them, in JSON and in plain lines', () => {
  const [join_token, server, ...rest] = CANARIES;
  const file = join(home, 'agent.log');
  writeFileSync(
    file,
    [
      JSON.stringify({
        level: 'info',
        msg: `enrol with ${join_token}`,
        password: rest[0],
        nested: { kubeconfig: rest[1] },
      }),
      `k3s server --token ${server} started, agent --agent-token ${rest[2]}`,
      `the url is https://u:${rest[3]}@db/x and password=${rest[3]}; all is well`,
      '{"half": "a line',
    ].join('\n'),
  );
  const text = JSON.stringify(redacted([logFile(file)], []));
  for (const canary of CANARIES) expect([canary, text.includes(canary)]).toEqual([canary, false]);
  for (const kept of ['enrol with', 'started, agent', 'all is well', 'a line']) expect(text).toContain(kept);
});

/** As PEM has it: lines of which none but the first and the last looks like a key. */
const body = (canary: string, lines: number) =>
  Array.from({ length: lines }, (_, n) => `${canary}${n}+/Ax`.padEnd(64, 'M'));
const pem = (canary: string, kind = 'EC', lines = 3) =>
  [`-----BEGIN ${kind} PRIVATE KEY-----`, ...body(canary, lines), `-----END ${kind} PRIVATE KEY-----`].join('\n');
const handedOn = (text: string) => {
  const file = join(home, 'keys.log');
  writeFileSync(file, text);
  return JSON.stringify(redacted([logFile(file)], []));
};

it('keys over several lines, and those of WireGuard and of kubeconfigs, are in no log that is handed on', () => {
  const text = handedOn(
    [
      ...['before', pem('canaryA'), 'between', JSON.stringify({ msg: `a ${pem('canaryB')} b`, n: 1 })],
      ...['[Interface]', 'PrivateKey = canaryC/+=', '[Peer]', 'PresharedKey=canaryD=', 'PublicKey = public='],
      ...['    client-key-data: canaryE==', JSON.stringify({ 'client-key-data': 'canaryF' })],
      ...[JSON.stringify({ msg: JSON.stringify({ private_key: 'canaryG', preshared: 1 }) }), 'after'],
    ].join('\n'),
  );
  expect(text.match(/canary./g)).toBeNull();
  for (const kept of ['before', 'between', 'public=', 'after']) expect(text).toContain(kept);
});

it('a key whose beginning was cut off with the log is left out, and one whose end is missing', () => {
  const filler = Array.from({ length: 400 }, () => 'x'.repeat(600)).join('\n');
  const key = pem('canary', 'RSA', 600);
  const text = handedOn(`${key}\n${filler}\nlast`);
  // The cut is in the middle of it.
  expect([filler.length < 256 * 1_024, filler.length + key.length > 256 * 1_024]).toEqual([true, true]);
  expect([text.includes('canary'), text.includes('last')]).toEqual([false, true]);
  const endless = handedOn(`first\n${pem('canary').split('\n').slice(0, -1).join('\n')}`);
  expect([endless.includes('canary'), endless.includes('first')]).toEqual([false, true]);
});

it('a long log is cut at its beginning, and says so', () => {
  const file = join(home, 'long.log');
  writeFileSync(file, Array.from({ length: 20_000 }, (_, n) => `line ${n} ${'x'.repeat(40)}`).join('\n'));
  const { lines, cut } = logFile(file);
  expect([cut, lines.length, lines.at(-1)]).toEqual([true, 1_000, `line 19999 ${'x'.repeat(40)}`]);
  writeFileSync(file, `${'y'.repeat(400_000)}\nlast`);
  expect(logFile(file)).toMatchObject({ cut: true, lines: ['last'] });
});

it('a log that is not there is refused in words', () => {
  expect(() => logFile(join(home, 'none'))).toThrow(CliError);
});

it('the journal is in it where there is one and it says something', () => {
  const asked: string[] = [];
  const said = journalLogs((_, args) => {
    asked.push(args[1]!);
    return args[1] === 'drover-agent' ? { status: 0, stdout: '{"msg":"hello"}\n' } : { status: 1, stdout: '' };
  });
  expect(asked).toEqual(['drover-agent', 'drover']);
  expect(said).toEqual([{ source: 'journalctl -u drover-agent', cut: false, lines: [{ msg: 'hello' }] }]);
  expect(journalLogs(() => ({ status: null, stdout: '' }))).toEqual([]);
});

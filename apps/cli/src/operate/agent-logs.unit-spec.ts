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

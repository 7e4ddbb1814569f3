import { spawnSync } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { compiledCopy } from './testing/compiled-copy.js';
import { startProcess, type PlatformProcess } from './testing/platform-process.js';

let root: string;
let dataDir: string;
const started: PlatformProcess[] = [];
// One data directory for all: making a cluster of Postgres takes longer than what most of these look at.
beforeAll(() => {
  root = compiledCopy().root;
  dataDir = mkdtempSync(join(tmpdir(), 'drover-process-'));
});
const stopAll = async () => {
  for (const one of started.splice(0)) {
    one.child.kill('SIGTERM');
    await one.exited;
  }
};
afterEach(stopAll);
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

const start = (env: Record<string, string> = {}) => {
  const one = startProcess(root, { DROVER_DATA_DIR: dataDir, DROVER_HTTP_ADDR: '127.0.0.1:0', ...env });
  started.push(one);
  return one;
};
const adminToken = () => readFileSync(join(dataDir, 'admin.token'), 'utf8').trim();
const call = async (url: string, name: string, args: object) => {
  const response = await fetch(`${url}/api/v1/tools/${name}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken()}` },
    body: JSON.stringify(args),
  });
  return ((await response.json()) as { data: Record<string, never> }).data;
};

it('shows the first token once, keeps it in a private file, and logs it nowhere', async () => {
  const first = start();
  const url = await first.ready();
  const token = adminToken();
  expect(first.output().split(token)).toHaveLength(2);
  expect(statSync(join(dataDir, 'admin.token')).mode & 0o777).toBe(0o600);
  await call(url, 'recent_events', {});
  first.child.kill('SIGTERM');
  expect(await first.exited).toEqual({ code: 0, signal: null });
  const logged = first
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'));
  expect(logged.join('\n')).not.toContain(token);

  const second = start({ DROVER_LOG_LEVEL: 'debug' });
  await call(await second.ready(), 'recent_events', {});
  expect(second.output()).not.toContain(token);
});

it('writes the first token to no journal', async () => {
  const other = mkdtempSync(join(tmpdir(), 'drover-process-'));
  const journal = openSync(join(other, 'journal'), 'w');
  const { dev, ino } = fstatSync(journal);
  const env = {
    DROVER_DATA_DIR: join(other, 'data'),
    DROVER_HTTP_ADDR: '127.0.0.1:0',
    JOURNAL_STREAM: `${dev}:${ino}`,
  };
  const first = startProcess(root, env, journal);
  closeSync(journal);
  const written = () => readFileSync(join(other, 'journal'), 'utf8');
  while (first.child.exitCode === null && !written().includes('ready in ')) await sleep(50);
  expect(written()).toContain('ready in ');
  expect(written()).not.toContain(readFileSync(join(other, 'data', 'admin.token'), 'utf8').trim());
  first.child.kill('SIGTERM');
  expect(await first.exited).toEqual({ code: 0, signal: null });
  rmSync(other, { recursive: true, force: true });
});

it('is killed and comes back: nothing lost, nothing doubled, Postgres adopted or recovered', async () => {
  const first = start();
  const make = { name: 'kept', idempotency_key: 'once' };
  const firstUrl = await first.ready();
  const made = await call(firstUrl, 'system_create_template', make);
  const before = await call(firstUrl, 'recent_events', { limit: 100 });
  first.child.kill('SIGKILL');
  await first.exited;
  const second = start();
  const url = await second.ready();
  expect(await call(url, 'system_create_template', make)).toEqual(made);
  expect(await call(url, 'recent_events', { limit: 100 })).toEqual(before);
  expect(await call(url, 'verify_audit', {})).toMatchObject({ intact: true });
});

it.each(['DROVER_HTTP_ADDR', 'DROVER_AGENT_ADDR', 'DROVER_ENROLL_ADDR'])(
  'says that %s is in use, and leaves nothing running',
  async (setting) => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const blocked = start({ [setting]: address });
    expect(await blocked.exited).toEqual({ code: 1, signal: null });
    expect(blocked.output()).toContain(`${setting}: ${address} is in use already`);
    await new Promise((resolve) => other.close(resolve));
  },
);

it('says that the data directory cannot be used, without a stack', async () => {
  const wrong = start({ DROVER_DATA_DIR: '/etc/hostname/data' });
  expect((await wrong.exited).code).toBe(1);
  expect(wrong.output()).toContain('DROVER_DATA_DIR: /etc/hostname/data cannot be used: ENOTDIR');
  expect(wrong.output()).not.toContain('    at ');
});

it('refuses a misspelt setting with the nearest name', async () => {
  const wrong = start({ DROVER_HTP_ADDR: '127.0.0.1:1' });
  expect((await wrong.exited).code).toBe(1);
  expect(wrong.output()).toContain('DROVER_HTP_ADDR: unknown setting; did you mean DROVER_HTTP_ADDR?');
});

it('names the setting when the configured database does not answer, and not its password', async () => {
  const wrong = start({ DATABASE_URL: 'postgres://drover:hunter2@127.0.0.1:61998/drover' });
  expect((await wrong.exited).code).toBe(1);
  expect(wrong.output()).toMatch(
    /^DATABASE_URL: Postgres at 127\.0\.0\.1:61998\/drover cannot be used: .*ECONNREFUSED/m,
  );
  expect(wrong.output()).not.toContain('hunter2');
});

it('refuses to share a data directory with a platform that lives', async () => {
  await start().ready();
  const second = start();
  expect((await second.exited).code).toBe(1);
  expect(second.output()).not.toContain('    at ');
  expect(second.output()).toContain(dataDir);
});

describe('drover', () => {
  const drover = (url: string, ...args: string[]) => {
    const env = { PATH: process.env.PATH, HOME: dataDir, DROVER_URL: url, DROVER_DATA_DIR: dataDir };
    const done = spawnSync(process.execPath, [join(root, 'bin/drover.mjs'), ...args], { env, encoding: 'utf8' });
    return { code: done.status, out: done.stdout, err: done.stderr };
  };

  it('runs tools by name and by noun and verb, for people and for programs', async () => {
    const url = await start().ready();
    expect(drover(url, 'tools').out).toMatch(/system_create_template +templates +drover template create/);
    expect(drover(url, 'template', 'create', 'web').code).toBe(0);
    expect(drover(url, 'template', 'list').out).toMatch(/^ID +NAME.*\n(.*\n)*template-[0-9a-f-]{36} +web/);
    const listed = JSON.parse(drover(url, 'tool', 'system_list_templates', '--json').out);
    expect(listed).toMatchObject({
      success: true,
      data: { templates: expect.arrayContaining([expect.objectContaining({ name: 'web' })]) },
    });
    expect(drover(url, 'recent-events', 'system.template').out).toMatch(/system\.template\.created +name=web/);
    expect(drover(url, 'template', 'create', '--help').out).toContain('idempotency_key');
  });

  it('says what failed, why, and what to try', async () => {
    const url = await start().ready();
    const { code, out, err } = drover(url, 'tool', 'system_list_templates', 'limt=3');
    expect([code, out, err.replace(/[0-9a-f-]{36}/, 'ID')]).toEqual([
      2,
      '',
      'error:   limt: there is no such parameter\n  why:   unknown_parameter, field limt (HTTP 400)\n  try:   drover template list --help\n  did you mean: limit\n' +
        '  correlation id: ID\n',
    ]);
    expect(drover(url, 'template', 'crate')).toMatchObject({
      code: 2,
      err: expect.stringContaining('drover template create'),
    });
    expect(drover('http://127.0.0.1:61999', 'tools')).toMatchObject({
      code: 3,
      err: expect.stringContaining('ECONNREFUSED'),
    });
    writeFileSync(join(dataDir, 'wrong'), 'drv_x\n');
    expect(drover(url, '--token-file', join(dataDir, 'wrong'), 'tools')).toMatchObject({
      code: 4,
      err: expect.stringContaining('invalid_token'),
    });
  });
});

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KurrentProcess } from '../../../test/doubles/kurrentdb/process.js';
import { until } from '../../lab/src/processes.js';
import { compiledCopy } from './testing/compiled-copy.js';
import { startProcess, type PlatformProcess } from './testing/platform-process.js';

let root: string;
let dir: string;
let kurrent: KurrentProcess;
let platform: PlatformProcess;
let url: string;

const start = async (env: Record<string, string> = {}): Promise<PlatformProcess> => {
  const one = startProcess(root, {
    DROVER_DATA_DIR: join(dir, 'data'),
    DROVER_HTTP_ADDR: '127.0.0.1:0',
    DROVER_EVENT_STORE: 'kurrentdb',
    KURRENTDB_URL: kurrent.url,
    ...env,
  });
  platform = one;
  return one;
};
const ready = async () => {
  url = await (await start()).ready();
};
beforeAll(async () => {
  root = compiledCopy().root;
  dir = mkdtempSync(join(tmpdir(), 'drover-on-kurrentdb-'));
  kurrent = await KurrentProcess.start(root, join(dir, 'kurrentdb.jsonl'));
  await ready();
});
afterAll(async () => {
  platform.child.kill('SIGTERM');
  await platform.exited;
  await kurrent.kill();
  rmSync(dir, { recursive: true, force: true });
});

interface Body {
  readonly data?: Record<string, unknown>;
  readonly error?: { readonly code: string };
}
const call = async (name: string, args: object): Promise<{ status: number; body: Body }> => {
  const token = readFileSync(join(dir, 'data/admin.token'), 'utf8').trim();
  const response = await fetch(`${url}/api/v1/tools/${name}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(args),
  });
  return { status: response.status, body: (await response.json()) as Body };
};
const ok = async (name: string, args: object): Promise<Record<string, unknown>> => {
  const { status, body } = await call(name, args);
  expect([name, status, body.error]).toEqual([name, 200, undefined]);
  return body.data!;
};
const kinds = async () =>
  ((await ok('recent_events', { limit: 200 }))['events'] as { kind: string }[]).map((event) => event.kind);

const STORY: readonly [string, object][] = [
  ['system_create_template', { name: 'web', idempotency_key: '1' }],
  ['system_create_node', { name: 'n-1', node_template_id: 'web', idempotency_key: '2' }],
  ['system_sdwan_create_network', { name: 'office', idempotency_key: '4' }],
];
const play = async () => {
  const answers: unknown[] = [];
  for (const [name, args] of STORY) answers.push(await ok(name, args));
  return answers;
};

it('keeps its events in KurrentDB and all else in Postgres', async () => {
  await play();
  expect(await ok('system_provision_instance', { node_id: 'n-1' })).toMatchObject({ join: expect.anything() });
  expect(await kinds()).toEqual(expect.arrayContaining(['system.template.created', 'system.node.created']));
  expect(kurrent.stored().map((event) => event.stream.split('-')[0])).toEqual(
    expect.arrayContaining(['drover.template', 'drover.node', 'drover.instance', 'drover.sdwan_network']),
  );
  expect(await ok('platform_health', {})).toMatchObject({ status: 'ok', event_store: { adapter: 'kurrentdb' } });
  expect(platform.output()).toContain(`KurrentDB at 127.0.0.1:${kurrent.port}, the rest in embedded Postgres`);
});

it('is killed and comes back: nothing lost, nothing doubled, repeated calls answer as before', async () => {
  const [answers, before, stored] = [await play(), await kinds(), kurrent.stored()];
  platform.child.kill('SIGKILL');
  await platform.exited;
  await ready();
  expect(await play()).toEqual(answers);
  expect(await kinds()).toEqual(before);
  expect(kurrent.stored()).toEqual(stored);
  await ok('system_create_template', { name: 'after-the-kill' });
  expect(((await ok('system_list_templates', {}))['templates'] as { name: string }[]).map((t) => t.name)).toEqual(
    expect.arrayContaining(['web', 'after-the-kill']),
  );
});

it('says that KurrentDB is away, and goes on by itself when it is back', async () => {
  const late = { name: 'late', idempotency_key: 'late' };
  await kurrent.kill();
  expect(await call('system_create_template', late)).toMatchObject({
    status: 503,
    body: { error: { code: 'event_store_unavailable' } },
  });
  expect((await fetch(`${url}/readyz`)).status).toBe(503);
  await kurrent.start();
  await ok('system_create_template', late);
  await ok('system_create_template', late);
  // The projections follow again: a read sees it.
  expect(((await ok('system_list_templates', {}))['templates'] as { name: string }[]).map((t) => t.name)).toContain(
    'late',
  );
  const ids = kurrent.stored().map((event) => event.id);
  expect(new Set(ids).size).toBe(ids.length);
  expect((await kinds()).filter((kind) => kind === 'system.template.created')).toHaveLength(3);
  // The sealer waits longer than a caller does before it tries again.
  await until(
    'the platform is healthy again',
    async () => (await ok('platform_health', {}))['status'] === 'ok',
    30_000,
  );
  expect(await ok('platform_health', {})).toMatchObject({ status: 'ok', problems: [] });
});

const refusals: [string, Record<string, string>, RegExp][] = [
  ['no URL', { KURRENTDB_URL: '' }, /^KURRENTDB_URL: must be set with DROVER_EVENT_STORE=kurrentdb/m],
  [
    'a malformed URL',
    { KURRENTDB_URL: 'kurrentdb://u:hunter2@h?tsl=false' },
    /^KURRENTDB_URL: unknown option tsl; did you mean tls/m,
  ],
  [
    'a server that does not answer',
    { KURRENTDB_URL: 'esdb://u:hunter2@127.0.0.1:61996?tls=false' },
    /^KURRENTDB_URL: KurrentDB at 127\.0\.0\.1:61996 cannot be used now: .*ECONNREFUSED/m,
  ],
  [
    'another log than the one its database was made from',
    { KURRENTDB_NAMESPACE: 'other' },
    /is not the one that this database belongs to/,
  ],
  [
    'events in Postgres again',
    { DROVER_EVENT_STORE: 'postgres' },
    /are in KurrentDB .* set DROVER_EVENT_STORE=kurrentdb/,
  ],
];
it.each(refusals)('refuses to start with %s, in words and without the password', async (_, env, reason) => {
  platform.child.kill('SIGTERM');
  await platform.exited;
  await start(env);
  expect((await platform.exited).code).toBe(1);
  expect(platform.output()).toMatch(reason);
  expect(platform.output()).not.toMatch(/hunter2|^ {4}at /m);
});

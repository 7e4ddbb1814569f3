import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig, silentLog } from '#kernel';
import { Closing } from '../closing.js';
import { compiledCopy } from '../testing/compiled-copy.js';
import { startCollector, type CollectedSpan, type Collector } from '../testing/otlp-collector.js';
import { startTestPlatform, type TestPlatform } from '../testing/test-platform.js';
import { openTraces } from './open.js';
import { freePort } from '../testing/free-port.js';

const CANARY = 'canary-of-an-operator';

let collector: Collector;
let drover: TestPlatform;
let agent: ChildProcess;
let folder: string;
let joinToken: string;
let root: string;
let said = '';

const ok = async <T = Record<string, unknown>>(tool: string, args: object): Promise<T> => {
  const { body } = await drover.rest(tool, args);
  if (!body.success) throw new Error(`${tool}: ${JSON.stringify(body.error)}`);
  return body.data as T;
};
const until = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> => {
  for (const end = Date.now() + 60_000; !(await isSo());) {
    if (Date.now() > end) throw new Error(`not within a minute: ${what}\n${said}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

/** A real agent in a process of its own; WireGuard in its memory, so that it takes no power. */
const startAgent = (args: readonly string[]): ChildProcess =>
  spawn(
    process.execPath,
    [join(root, 'dist/agent/src/main.js'), 'run', '--state-dir', folder, '--root', folder, ...args],
    { env: { PATH: process.env['PATH'], DROVER_JOIN_TOKEN: joinToken }, stdio: ['ignore', 'pipe', 'inherit'] },
  );

beforeAll(async () => {
  // It builds, and nothing else goes on meanwhile.
  root = compiledCopy().root;
  folder = mkdtempSync(join(tmpdir(), 'drover-telemetry-'));
  collector = await startCollector();
  drover = await startTestPlatform({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_SERVICE_NAME: 'drover-test',
    // Told to agents as it stands here.
    DROVER_AGENT_ADDR: `127.0.0.1:${await freePort()}`,
  });
  await ok('system_create_template', { name: 'plain' });
  const { node } = await ok<{ node: { id: string } }>('system_create_node', {
    hostname: 'n1',
    node_template_id: 'plain',
  });
  const { join: joining } = await ok<{ join: { token: string } }>('system_provision_instance', { node_id: node.id });
  joinToken = joining.token;
  const ca = new X509Certificate(drover.platform.foundation.access.ca.caPem());
  const pin = createHash('sha256').update(ca.raw).digest('hex');
  const enroll = ['--enroll', drover.platform.enrollAddress, '--ca-pin', `sha256:${pin}`];
  agent = startAgent([...enroll, '--wireguard', 'memory', '--services', 'process', '--log-level', 'warn']);
  agent.stdout!.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const isRunning = async () => JSON.stringify(await ok('system_list_instances', {})).includes('"running"');
  await until('the agent runs', isRunning);
});

afterAll(async () => {
  const ended = agent === undefined ? undefined : new Promise((resolve) => agent.once('exit', resolve));
  agent?.kill('SIGTERM');
  await ended;
  await drover?.stop();
  await collector?.close();
  rmSync(folder, { recursive: true, force: true });
});

it('follows a tool call through append, projection and push to the receipt of the agent, in one trace', async () => {
  await ok('system_sdwan_create_network', { name: CANARY });
  const { instances } = await ok<{ instances: { id: string }[] }>('system_list_instances', {});
  const instance = instances[0]!.id;
  const attached = await ok('system_sdwan_attach_peer', { network_id: CANARY, node_instance_id: instance });
  const traceId = String(attached.correlation_id).replaceAll('-', '');
  const trace = (): CollectedSpan[] => collector.spans.filter((span) => span.traceId === traceId);
  const isWhole = () => trace().some(({ name }) => name.startsWith('agent applies '));
  await until('the receipt is in the trace', isWhole);

  const byName = (start: string) => trace().filter(({ name }) => name.startsWith(start));
  const [call] = byName('tool system_sdwan_attach_peer');
  expect(call).toMatchObject({ service: 'drover-test', parentId: '', attributes: { 'drover.outcome': 'ok' } });
  const appends = byName('append ').filter(({ parentId }) => parentId === call!.spanId);
  expect(appends.map(({ attributes }) => attributes['drover.event.type'])).toContain('system.sdwan.peer.attached');
  const ids = new Set(byName('append ').map(({ spanId }) => spanId));
  for (const start of ['project ', 'push ']) {
    expect(byName(start).length).toBeGreaterThan(0);
    for (const span of byName(start)) expect(ids).toContain(span.parentId);
  }
  const pushes = new Set(byName('push ').map(({ spanId }) => spanId));
  for (const span of byName('agent applies ')) {
    expect(pushes).toContain(span.parentId);
    expect(span.attributes['drover.instance']).toBe(instance);
  }
  for (const span of trace()) expect(span.endNs >= span.startNs).toBe(true);
});

it('tells the collector nothing that operators wrote, and no secret', async () => {
  await ok('system_create_template', { name: `${CANARY}-template`, description: CANARY });
  await drover.rest('system_create_node', { hostname: CANARY, node_template_id: CANARY });
  const before = collector.bodies.length;
  await until('more has come', () => collector.bodies.length > before);
  const all = Buffer.concat(collector.bodies).toString('latin1');
  for (const text of [CANARY, drover.token, joinToken]) expect(all).not.toContain(text);
  expect(all).toContain('tool system_create_template');
});

it('is off unless a collector is configured, and refuses an address that is none', async () => {
  expect(await openTraces(parseConfig({}), new Closing(silentLog))).toBeUndefined();
  expect(() => parseConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' })).toThrow(
    /OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL/,
  );
});

import { deterministicId, deterministicUuid, silentLog, parseConfig } from '#kernel';
import type { EventMeta } from '#event-store';
import { testDatabase } from '#event-store';
import { NodeCreated } from '#fleet';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPlatform } from './platform.js';
import { startTestPlatform, type TestPlatform } from './testing/test-platform.js';

interface Row {
  readonly name: string;
  readonly status: string;
  readonly skipped: number;
  readonly lag: number;
  readonly waiting_since: string | null;
  readonly fault: string | null;
  readonly fault_position: string | null;
  readonly digest?: string;
  readonly documents?: number;
}

let drover: TestPlatform;
beforeAll(async () => {
  drover = await startTestPlatform();
});
afterAll(() => drover.stop());

const list = async (args: object = {}): Promise<Row[]> => {
  const { status, body } = await drover.rest('system_list_projections', args);
  expect(status).toBe(200);
  return body.data['projections'] as Row[];
};
const row = async (name: string, args: object = {}): Promise<Row> => (await list(args)).find((r) => r.name === name)!;
const until = async (what: string, condition: () => Promise<boolean>) => {
  for (let i = 0; i < 400; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`still not: ${what}`);
};

/** A node whose name Postgres cannot keep in jsonb. Boundaries refuse such a name; a bug might let one through. */
const appendPoison = async (): Promise<void> => {
  const node_id = deterministicId('node', 'poison');
  const { type, data } = NodeCreated({
    node_id,
    name: 'a\0b',
    template_id: deterministicId('template', 'none'),
    description: '',
  });
  const meta: EventMeta = {
    accountId: deterministicId('account', 'default'),
    actor: { kind: 'system', id: 'test' },
    commandId: 'poison',
    correlationId: 'poison',
    causationId: 'poison',
    occurredAt: '2026-01-01T00:00:00.000Z',
    severity: 'info',
    links: {},
    topics: [],
  };
  const event = { id: deterministicUuid('poison'), type, schemaVersion: 1, data: { ...data }, meta };
  await drover.platform.foundation.store.append({ stream: node_id, expected: 'no_stream', events: [event] });
};

it('shows a poison event, lets an operator skip it, keeps who and why, and rebuilds to the same content', async () => {
  await drover.rest('system_create_template', { name: 'workers' });
  await drover.rest('system_create_node', { hostname: 'before', node_template_id: 'workers' });
  await appendPoison();
  await drover.rest('system_create_node', { hostname: 'after', node_template_id: 'workers' });
  await until('stands still', async () => (await row('fleet_nodes')).status === 'faulted');
  const faulted = await row('fleet_nodes');
  expect(faulted.fault).toMatch(/unicode/i);
  expect(Date.parse(faulted.waiting_since!)).toBeLessThanOrEqual(Date.now());
  expect((await list()).filter((r) => r.status === 'faulted').map((r) => r.name)).toEqual(['fleet_nodes']);
  const health = (await drover.rest('platform_health', {})).body.data as { status: string; problems: string[] };
  expect(health.status).toBe('degraded');
  expect(health.problems.join()).toContain('projection:fleet_nodes');
  const metrics = async () =>
    (await fetch(`${drover.url}/metrics`, { headers: { authorization: `Bearer ${drover.token}` } })).text();
  expect(await metrics()).toMatch(/drover_fault_attempts\{lane="projection:fleet_nodes_v1"\} [1-9]/);
  expect(await metrics()).toMatch(
    /drover_projection_lag_events\{projection="fleet_nodes",version="1",state="read"\} [1-9]/,
  );

  const reason = 'a name with NUL; ticket 12';
  const skip = (args: object) => drover.rest('system_skip_poison_event', { reason, ...args });
  const position = faulted.fault_position!;
  expect((await skip({ projection: 'fleet_nodez', position })).body.error).toMatchObject({
    code: 'unknown_projection',
    hint: 'did you mean fleet_nodes?',
  });
  expect((await skip({ projection: 'fleet_nodes', position: '1' })).body.error.code).toBe('another_event');
  expect((await skip({ projection: 'fleet_instances', position })).body.error.code).toBe('not_faulted');
  expect((await skip({ projection: 'fleet_nodes', position })).status).toBe(200);
  await until('goes on', async () => (await row('fleet_nodes')).status === 'live');
  expect((await row('fleet_nodes')).waiting_since).toBeNull();
  const nodes = (await drover.rest('system_list_nodes', {})).body.data['nodes'] as { name: string }[];
  expect(nodes.map((node) => node.name)).toEqual(['before', 'after']);
  const { events } = (await drover.rest('recent_events', { kind_prefix: 'system.projection' })).body.data as {
    events: { kind: string; payload: object; actor: { kind: string; id: string } }[];
  };
  expect(events).toMatchObject([
    {
      kind: 'system.projection.event_skipped',
      actor: { kind: 'operator' },
      payload: { projection: 'fleet_nodes', position, reason, event_type: 'system.node.created' },
    },
  ]);

  const before = await row('fleet_nodes', { digest: true });
  expect(before).toMatchObject({ documents: 2, skipped: 1 });
  const table = async () =>
    (await drover.platform.foundation.processing.projectionReports()).find((r) => r.name === 'fleet_nodes')!.table;
  const old = await table();
  expect((await drover.rest('system_rebuild_projection', { projection: 'fleet_nodes' })).status).toBe(200);
  await until('rebuilt', async () => (await table()) !== old && (await row('fleet_nodes')).status === 'live');
  expect(await row('fleet_nodes', { digest: true })).toMatchObject({ digest: before.digest, documents: 2, skipped: 1 });
  expect(await metrics()).toMatch(/drover_projection_skipped_events\{projection="fleet_nodes"\} 1/);
  expect(await metrics()).toMatch(/drover_processing_leading 1/);
  expect((await fetch(`${drover.url}/readyz/leading`)).status).toBe(200);
});

it('refuses a second process that has other keys, before it makes any', async () => {
  const { connectionString } = await testDatabase();
  const config = (dir: string) =>
    parseConfig({
      DROVER_DATA_DIR: dir,
      DATABASE_URL: connectionString,
      DROVER_HTTP_ADDR: '127.0.0.1:0',
      DROVER_AGENT_ADDR: '127.0.0.1:0',
      DROVER_ENROLL_ADDR: '127.0.0.1:0',
    });
  const dir = () => mkdtempSync(join(tmpdir(), 'drover-keys-'));
  const first = await startPlatform({ config: config(dir()), log: silentLog });
  try {
    await expect(startPlatform({ config: config(dir()), log: silentLog })).rejects.toThrow(
      /^DROVER_DATA_DIR: .*master\.key and ca\/ca\.key in .* are missing.*several-platforms\.md/,
    );
  } finally {
    await first.close();
  }
});

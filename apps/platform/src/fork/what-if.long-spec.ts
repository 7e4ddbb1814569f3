import { AsyncLocalStorage } from 'node:async_hooks';
import type { Pool } from 'pg';
import { START } from '#event-store';
import { FLEET_SERVICES, type FleetServices } from '#fleet';
import { FailoverService } from '#sdwan';
import { ToolRegistry, type ToolListing } from '#tools';
import { PaperFleet } from '../testing/paper-fleet.js';
import { startTestPlatform, type TestPlatform } from '../testing/test-platform.js';
import { PlatformForks } from './forks.js';

interface Prediction {
  readonly outcome: string;
  readonly refusal?: { readonly code: string };
  readonly events: readonly { readonly kind: string; readonly caused_by: string }[];
  readonly nodes_touched: readonly {
    readonly name: string;
    readonly sections: readonly { readonly section: string }[];
  }[];
  readonly vip_moves: readonly { readonly from: string; readonly to: string; readonly outcome: string }[];
  readonly cannot_predict: readonly string[];
}

const SERVERS = ['k3s-server-1', 'k3s-server-2', 'k3s-server-3'];
let drover: TestPlatform;
let fleet: PaperFleet;
let holder: string;
let pool: Pool;

beforeAll(async () => {
  drover = await startTestPlatform();
  pool = drover.platform.foundation.opened.postgres!.pool;
  fleet = new PaperFleet(drover);
  for (const name of ['k3s-server', 'k3s-worker', 'spare']) await fleet.ok('system_create_template', { name });
  for (const name of ['prod', 'empty']) await fleet.ok('system_sdwan_create_network', { name });
  await fleet.ok('system_create_node', { hostname: 'idle', node_template_id: 'k3s-worker' });
  await fleet.ok('system_create_node', { hostname: 'awaited', node_template_id: 'k3s-worker' });
  await fleet.ok('system_provision_instance', { node_id: 'awaited' });
  await fleet.ok('system_sdwan_create_access_grant', { network_id: 'prod', name: 'laptop' });
  const ids = [];
  for (const name of SERVERS) ids.push(await fleet.machine(name, 'k3s-server', 'prod'));
  await fleet.ok('system_assign_module_to_template', { template_id: 'k3s-server', module_name: 'k3s-server' });
  holder = await fleet.cluster(ids);
}, 240_000);
afterAll(() => drover?.stop());

const whatIf = (tool: string, args: object, more: object = {}) =>
  fleet.ok<Prediction>('what_if', { tool, arguments: args, ...more });
const kindsOf = (prediction: Prediction) => prediction.events.map((event) => event.kind.replace('system.', ''));

/** Content of every table there is, but for what the clock alone renews: the leader's lease, and who holds the master key. */
const allTables = async (): Promise<Record<string, string>> => {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables 
      WHERE schemaname NOT IN ('pg_catalog', 'information_schema') 
        AND (schemaname, tablename) NOT IN (('processing', 'lease'), ('access', 'master_key_holders'))`,
  );
  const found: Record<string, string> = {};
  for (const { name } of rows) {
    if (name === 'processing.faults') {
      // Told in words: which lane stands still, and why.
      const { rows: faults } = await pool.query(
        'SELECT lane, position, error, attempts FROM processing.faults ORDER BY lane',
      );
      found[name] = JSON.stringify(faults);
      continue;
    }
    const { rows: sums } = await pool.query<{ sum: string }>(
      `SELECT count(*) || ' ' || md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) AS sum FROM ${name} t`,
    );
    found[name] = sums[0]!.sum;
  }
  return found;
};

/** Until nothing was written for a while: process managers, projections and the like have caught up. */
const quiet = async () => {
  let before = await allTables();
  for (let same = 0; same < 4;) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    const now = await allTables();
    same = JSON.stringify(now) === JSON.stringify(before) ? same + 1 : 0;
    before = now;
  }
  return before;
};

/** What every node is told, of which the gateway's own generations and times are no part. */
const desiredState = async () => {
  const { instances } = await fleet.ok<{ instances: { id: string }[] }>('system_list_instances');
  const { sources } = drover.platform.foundation.gateway.foldedSources();
  return instances.map(({ id }) =>
    sources.flatMap((source) =>
      [...source.compile(id)].map(([section, items]) => [id, section, Object.fromEntries(items)]),
    ),
  );
};

/** Arguments under which a changing tool has something to do here; those of its examples are tried as well. */
const ARGUMENTS: Readonly<Record<string, object>> = {
  system_assign_module_to_template: { template_id: 'k3s-server', module_name: 'docker-engine' },
  system_create_join_token: { id: 'awaited' },
  system_create_node: { hostname: 'new', node_template_id: 'spare' },
  system_create_template: { name: 'new' },
  system_delete_node: { node_id: 'idle' },
  system_delete_template: { template_id: 'spare' },
  system_drain_instance: { id: 'k3s-server-2' },
  system_forget_instance: { id: 'k3s-server-3' },
  system_provision_instance: { node_id: 'idle' },
  system_terminate_instance: { id: 'k3s-server-1' },
  system_unassign_module_from_template: { template_id: 'k3s-server', module_name: 'k3s-server' },
  system_uncordon_instance: { id: 'k3s-server-1' },
  system_update_instance: { id: 'k3s-server-1', node_template_id: 'k3s-worker' },
  system_update_template: { template_id: 'spare', name: 'renamed' },
  system_sdwan_attach_peer: { network_id: 'empty', node_instance_id: 'k3s-server-1' },
  system_sdwan_create_access_grant: { network_id: 'prod', name: 'phone' },
  system_sdwan_issue_user_device: { network_id: 'prod', name: 'tablet' },
  system_sdwan_revoke_user_device: { device_id: 'laptop' },
  system_sdwan_create_network: { name: 'new' },
  system_sdwan_delete_network: { network_id: 'empty' },
  system_sdwan_failover_virtual_ip: { virtual_ip_id: 'k3s_api_endpoint' },
  system_sdwan_update_network: { network_id: 'prod', routing_mode: 'hub' },
  kubernetes_decommission_cluster: { cluster_id: 'k3s-cluster-1' },
};

it('leaves no trace of any changing tool: not in the log, not in any table, not in what nodes are told, nothing sent, no secret', async () => {
  // The coordinator looks at its candidates once a second, and has to have done so.
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  const { registry, sent, asked } = await watched();
  const changing = registry.filter((tool) => tool.danger !== 'read');
  const tried: string[] = [];
  const wanted = await desiredState();
  let before = await quiet();
  for (const tool of changing) {
    const calls = [...tool.examples.map((example) => example.arguments), ARGUMENTS[tool.name] ?? {}];
    for (const args of calls) {
      const { outcome } = await whatIf(tool.name, args, { horizon_seconds: 5 });
      expect([tool.name, args, outcome === 'failed']).toEqual([tool.name, args, false]);
      if (outcome === 'done' || outcome === 'nothing') tried.push(tool.name);
    }
    let after = await allTables();
    // What the platform does on its own time (seals) may fall between the two; a trace of this tool would come each time.
    for (let tries = 0; tries < 5 && JSON.stringify(after) !== JSON.stringify(before); tries++) {
      before = await quiet();
      for (const args of calls) await whatIf(tool.name, args, { horizon_seconds: 5 });
      after = await allTables();
    }
    expect([tool.name, after]).toEqual([tool.name, before]);
  }
  expect(sent).toEqual([]);
  // Forks share what the gateway has folded.
  expect(await desiredState()).toEqual(wanted);
  // Else nothing of a prediction would be seen here.
  expect(asked.size).toBeGreaterThan(0);
  const idle = Object.keys(ARGUMENTS).filter(
    (name) => !tried.includes(name) && changing.some((tool) => tool.name === name),
  );
  expect(idle).toEqual([]);
}, 480_000);

/**
 * The registry as listed, and everything that a tool call hands to the real gateway from here on. What the platform sends on its
 * own time (it watches the cluster's nodes through tunnels that machines on paper do not have) is no call's.
 */
const watched = async () => {
  const response = await fetch(`${drover.url}/api/v1/tools`, { headers: { authorization: `Bearer ${drover.token}` } });
  const registry = ((await response.json()) as { data: { tools: ToolListing[] } }).data.tools;
  const calls = new AsyncLocalStorage<string>();
  const tools = drover.platform.app.get(ToolRegistry, { strict: false });
  const call = tools.call.bind(tools);
  tools.call = (request) => calls.run(request.name, () => call(request));
  const [sent, asked]: [string[], Set<string>] = [[], new Set()];
  const { gateway } = drover.platform.foundation;
  const onCall = (
    name: 'sendVip' | 'sendPriority' | 'openTunnel' | 'disconnect' | 'setVipCandidate' | 'liveness',
    note: (what: string) => void,
  ) => {
    const real = gateway[name].bind(gateway) as (...args: unknown[]) => unknown;
    const noting = (...args: unknown[]) => {
      if (calls.getStore() !== undefined) note(`${name} ${String(args[0])}`);
      return real(...args);
    };
    Reflect.set(gateway, name, noting);
  };
  for (const name of ['sendVip', 'sendPriority', 'openTunnel', 'disconnect', 'setVipCandidate'] as const)
    onCall(name, (what) => sent.push(what));
  onCall('liveness', (what) => asked.add(what));
  return { registry, sent, asked };
};

it('predicts a drain: the virtual IP moves first, then the node is drained, and every node is told', async () => {
  const drain = await whatIf('system_drain_instance', { id: holder });
  expect(kindsOf(drain)).toEqual([
    'instance.drain_requested',
    'sdwan.virtual_ip.move_started',
    'sdwan.virtual_ip.moved',
    'k3s.node.draining',
    'instance.drained',
  ]);
  expect(drain.vip_moves).toMatchObject([{ from: holder, outcome: 'moved' }]);
  expect(drain.vip_moves[0]!.to).not.toBe(holder);
  expect(drain.nodes_touched.map((node) => node.name)).toEqual(SERVERS);
  expect(drain.cannot_predict.join()).toContain('Kubernetes API');
});

it('predicts the same on a process that has no agents’ streams, and says what that rests on', async () => {
  const { app, foundation } = drover.platform;
  const { gateway, store } = foundation;
  const nobody = { connected: false, silentMs: Infinity, lost: false, applied: new Map<string, bigint>() };
  // As on a process that waits for the lead: it folds the log, and hears no agent.
  const waiting = { admitsAgents: false, liveness: () => nobody, foldedSources: () => gateway.foldedSources() };
  const contexts = {
    failover: app.get(FailoverService, { strict: false }),
    services: app.get<FleetServices>(FLEET_SERVICES, { strict: false }),
  };
  const forks = new PlatformForks({ ...foundation, gateway: waiting }, contexts);
  const { meta } = (await store.readAll(START, { limit: 1_000 })).events.find((e) => e.stream === holder)!;
  const permissions = new Set(['*']);
  const who = { accountId: meta.accountId, operatorId: meta.actor.id, permissions };
  const there = await whatIf('system_drain_instance', { id: holder });
  const here = await forks.try({
    ...{ tool: 'system_drain_instance', arguments: { id: holder }, horizonMs: 60_000 },
    ...{ ...who, signal: new AbortController().signal },
  });
  const kinds = here.events.map(({ type }) => type).filter((type) => !type.startsWith('system.pm.'));
  expect([...new Set(kinds)].sort()).toEqual([...new Set(there.events.map(({ kind }) => kind))].sort());
  expect(kinds).toContain('system.sdwan.virtual_ip.moved');
  expect(here.notes.join()).toContain('another platform process has their streams');
  expect(there.cannot_predict.join()).not.toContain('another platform process');
});

it('follows timers up to the horizon and no further', async () => {
  const soon = await whatIf('system_provision_instance', { node_id: 'idle' }, { horizon_seconds: 1 });
  const late = await whatIf('system_provision_instance', { node_id: 'idle' }, { horizon_seconds: 3_600 });
  expect(kindsOf(soon)).not.toContain('instance.overdue');
  expect(kindsOf(late)).toContain('instance.overdue');
});

it('says what the tool would be refused with, and what the caller may not do is refused to what_if itself', async () => {
  expect(await whatIf('system_drain_instance', { id: 'k3s-server-9' })).toMatchObject({
    outcome: 'refused',
    refusal: { code: 'instance_not_found' },
    events: [],
  });
  const refused = async (tool: string) => (await drover.rest('what_if', { tool })).body.error.code;
  expect(await refused('system_list_nodes')).toBe('nothing_to_predict');
  expect(await refused('what_if')).toBe('nothing_to_predict');
  expect(await refused('system_drain_instanse')).toBe('unknown_tool');
});

it('is right: the same call for real leads to the same kinds of events', async () => {
  const calls: [string, object][] = [
    ['system_assign_module_to_template', { template_id: 'k3s-worker', module_name: 'k3s-agent' }],
    ['system_create_node', { hostname: 'extra', node_template_id: 'k3s-worker' }],
    ['system_provision_instance', { node_id: 'extra' }],
    ['system_sdwan_attach_peer', { network_id: 'prod', node_instance_id: 'extra' }],
    ['system_terminate_instance', { id: 'extra' }],
  ];
  for (const [tool, args] of calls) {
    const said = await whatIf(tool, args, { horizon_seconds: 5 });
    const { correlation_id } = await fleet.ok<{ correlation_id: string }>(tool, args);
    await quiet();
    const { events } = await fleet.ok<{ events: { kind: string; correlation_id: string }[] }>('recent_events', {
      limit: 100,
    });
    const happened = events.filter((event) => event.correlation_id === correlation_id).map((event) => event.kind);
    expect([tool, said.events.map((event) => event.kind).sort()]).toEqual([tool, happened.sort()]);
  }
});

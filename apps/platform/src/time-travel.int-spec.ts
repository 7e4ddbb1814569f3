import { seededRandom } from '#kernel';
import { FLEET_KINDS, fleetKinds, type FleetKind } from '#audit';
import { PaperFleet } from './testing/paper-fleet.js';
import { startTestPlatform, type TestPlatform } from './testing/test-platform.js';

interface State {
  readonly as_of: { readonly position: string; readonly events: number };
  readonly counts: Readonly<Record<string, number>>;
  readonly [kind: string]: unknown;
}
interface Entry {
  readonly id: string;
  readonly parent_id: string | null;
  readonly depth: number;
  readonly type: string;
  readonly title: string;
  readonly kind: string | null;
  readonly after_ms: number;
}
interface Story {
  readonly subject: { readonly kind: string; readonly id: string };
  readonly entries: readonly Entry[];
  readonly phases: readonly { readonly name: string; readonly outcome: string }[];
  readonly failures: readonly unknown[];
}

const SERVERS = ['k3s-server-1', 'k3s-server-2', 'k3s-server-3'];
let drover: TestPlatform;
let fleet: PaperFleet;
let began: string;

beforeAll(async () => {
  drover = await startTestPlatform();
  fleet = new PaperFleet(drover);
  began = new Date().toISOString();
});
afterAll(() => drover?.stop());

type Documents = Readonly<Record<FleetKind, readonly unknown[]>>;

/** What the read models in Postgres show now, of everybody: there is one account. */
const live = async (): Promise<Documents> => {
  const { processing, store } = drover.platform.foundation;
  const projections = processing.registeredProjections();
  await processing.waitFor(await store.head(), Object.values(FLEET_KINDS), 60_000);
  const found = fleetKinds.map(async (kind) => {
    const projection = projections.find((one) => one.name === FLEET_KINDS[kind])!;
    return [kind, await processing.readModels.find(projection)] as const;
  });
  return Object.fromEntries(await Promise.all(found)) as unknown as Documents;
};

const stateAt = async (args: object) => fleet.ok<State>('fleet_state_at', args);
const documentsOf = (state: State): Documents =>
  Object.fromEntries(
    fleetKinds.map((kind) => [kind, (state[kind] as { document: unknown }[]).map((thing) => thing.document)]),
  ) as unknown as Documents;
/** As JSON has it: what travelled has no undefined. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** A random operator: calls that may be refused, which changes nothing. */
const randomCalls = (seed: number, count: number): [string, object][] => {
  const random = seededRandom(seed);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random.unit() * of.length)]!;
  const name = (kind: string) => `${kind}-${Math.floor(random.unit() * 3)}`;
  const make: (() => [string, object])[] = [
    () => ['system_create_template', { name: name('template') }],
    () => ['system_create_node', { hostname: name('node'), node_template_id: name('template') }],
    () => ['system_provision_instance', { node_id: name('node') }],
    () => [
      'system_assign_module_to_template',
      { template_id: name('template'), module_name: pick(['k3s-agent', 'docker-engine']) },
    ],
    () => ['system_unassign_module_from_template', { template_id: name('template'), module_name: 'docker-engine' }],
    () => ['system_sdwan_create_network', { name: name('net') }],
    () => ['system_sdwan_update_network', { network_id: name('net'), routing_mode: pick(['mesh', 'hub']) }],
    () => ['system_sdwan_attach_peer', { network_id: name('net'), node_instance_id: name('node') }],
    () => ['system_sdwan_create_virtual_ip', { network_id: name('net'), name: name('vip'), purpose: 'test' }],
    () => ['system_terminate_instance', { id: name('node') }],
    () => ['system_delete_template', { template_id: name('template') }],
    () => ['system_sdwan_delete_network', { network_id: name('net') }],
  ];
  const first: [string, object][] = [
    ['system_create_template', { name: 'template-0' }],
    ['system_create_node', { hostname: 'node-0', node_template_id: 'template-0' }],
    ['system_provision_instance', { node_id: 'node-0' }],
    ['system_sdwan_create_network', { name: 'net-0' }],
    ['system_sdwan_attach_peer', { network_id: 'net-0', node_instance_id: 'node-0' }],
  ];
  return [...first, ...Array.from({ length: count }, () => pick(make)())];
};

/** What is shown at a moment in which nothing happens: process managers that go on meanwhile make it a picture of no moment. */
const picture = async (): Promise<{ time: string; docs: Documents }> => {
  const { store } = drover.platform.foundation;
  for (;;) {
    const head = await store.head();
    await new Promise((resolve) => setTimeout(resolve, 15));
    const taken = { docs: await live(), time: new Date().toISOString() };
    // The clock goes on before the next call.
    await new Promise((resolve) => setTimeout(resolve, 3));
    if (head === (await store.head())) return taken;
  }
};

it('shows the fleet at any moment of a random history as the read models in Postgres showed it then', async () => {
  const moments: { time: string; docs: Documents }[] = [];
  for (const [tool, args] of randomCalls(7, 45)) {
    await drover.rest(tool, args);
    moments.push(await picture());
  }
  const random = seededRandom(11);
  const asked = [...moments].sort(() => random.unit() - 0.5);
  for (const { time, docs } of asked) {
    const state = await stateAt({ time });
    expect([time, documentsOf(state)]).toEqual([time, plain(docs)]);
    expect(documentsOf(await stateAt({ at: state.as_of.position }))).toEqual(plain(docs));
  }
  // Kinds that the history really held; clusters have a history of their own below.
  const seen = fleetKinds.filter((kind) => moments.some(({ docs }) => docs[kind].length > 0));
  expect(seen).toEqual(['templates', 'nodes', 'instances', 'networks', 'peers', 'virtual_ips', 'operators']);
});

it('is empty before the first event, refuses what is no moment, and cuts lists without lying about their length', async () => {
  const before = await stateAt({ time: '2001-01-01T00:00:00Z' });
  expect([before.as_of.events, Object.values(before.counts).every((count) => count === 0)]).toEqual([0, true]);
  const codes = async (args: object) => (await drover.rest('fleet_state_at', args)).body.error.code;
  expect(await codes({ time: '2026-01-01T00:00:00' })).toBe('time_without_zone');
  expect(await codes({ time: 'yesterday' })).toBe('invalid_time');
  expect(await codes({ time: '2999-01-01T00:00:00Z' })).toBe('time_in_future');
  expect(await codes({ time: began, at: before.as_of.position })).toBe('ambiguous_parameter');
  expect(await codes({ at: 'nonsense' })).toBe('invalid_cursor');
  const now = await stateAt({});
  const cut = await stateAt({ kinds: ['templates'], limit: 1 });
  expect([(cut['templates'] as unknown[]).length, cut.counts['templates']]).toEqual([1, now.counts['templates']]);
});

describe('the story', () => {
  let holder: string;
  beforeAll(async () => {
    await fleet.ok('system_create_template', { name: 'servers' });
    await fleet.ok('system_sdwan_create_network', { name: 'prod' });
    const ids = [];
    for (const name of SERVERS) ids.push(await fleet.machine(name, 'servers', 'prod'));
    await fleet.ok('system_assign_module_to_template', { template_id: 'servers', module_name: 'k3s-server' });
    holder = await fleet.cluster(ids);
  });

  const story = (subject: string, more: object = {}) => fleet.ok<Story>('explain', { subject, ...more });
  const pathTo = ({ entries }: Story, kind: string): string[] => {
    const byId = new Map(entries.map((entry) => [entry.id, entry]));
    const path: string[] = [];
    for (let at = entries.findLast((entry) => entry.kind === kind); at !== undefined; at = byId.get(at.parent_id ?? ''))
      path.unshift(at.kind ?? at.title.split(' ')[0]!);
    return path;
  };

  it('leads without a break from the call to what the node did', async () => {
    const told = await story(holder);
    expect(pathTo(told, 'system.instance.online')).toEqual([
      'system_provision_instance',
      'system.instance.join_token_issued',
      'system.instance.enrolled',
      'system.instance.online',
    ]);
    // Who carries the assignment to the instance, the call itself or a process manager, is a race that both may win.
    const allocated = pathTo(told, 'system.sdwan.virtual_ip.allocated');
    expect(allocated[0]).toBe('system_assign_module_to_template');
    expect(allocated.slice(-3)).toEqual([
      'system.k3s.module.assigned',
      'system.k3s.handshake.bootstrap',
      'system.sdwan.virtual_ip.allocated',
    ]);
    expect(told.phases).toContainEqual(expect.objectContaining({ name: 'bootstrapping', outcome: 'done' }));
    const calls = told.entries.filter((entry) => entry.type === 'call').map((entry) => entry.title);
    expect(calls).toContainEqual(
      expect.stringMatching(/^system_provision_instance .*node_id=k3s-server-\d by operator/),
    );
  });

  it('says which form of its modules reached a node, once, and how long the push took', async () => {
    const receipts = async (subject: string) =>
      (await story(subject)).entries.filter(({ kind }) => kind === 'system.module.generation_applied');
    await fleet.ok('system_assign_module_to_template', { template_id: 'servers', module_name: 'docker-engine' });
    await fleet.until('the assignment has reached the instance', async () =>
      (await story(holder)).entries.some(({ title }) => /^docker\.module\.assigned/.test(title)),
    );
    const { store } = drover.platform.foundation;
    const head = await store.head();
    await fleet.until('it was pushed', async () => {
      await fleet.applyModules(holder);
      return (await store.head()) > head;
    });
    const told = await fleet.until('it is told', async () => (await receipts(holder))[0]);
    expect(told).toMatchObject({
      type: 'applied',
      title: expect.stringMatching(
        /^pushed: generation \d+ of modules \(docker-engine, k3s-server\) applied by k3s-server-\d \(\d+ ms, 2 ms of them on the node\)$/,
      ),
    });
    const whole = await story(holder);
    expect(pathTo(whole, 'system.module.generation_applied')[0]).toBe('system_assign_module_to_template');
    expect(whole.phases).toContainEqual(expect.objectContaining({ name: 'pushing modules', outcome: 'done' }));
    // Again the same: nothing new is in the log.
    await fleet.applyModules(holder);
    expect(await receipts(holder)).toHaveLength(1);
    expect(await receipts('k3s-cluster-1')).toHaveLength(1);
  });

  it('of a cluster holds its members, of a virtual IP how it came to be held; parents come first', async () => {
    const cluster = await story('k3s-cluster-1');
    const readies = cluster.entries.filter((entry) => entry.kind === 'system.k3s.handshake.ready');
    expect(readies).toHaveLength(SERVERS.length);
    const vip = await story('k3s_api_endpoint');
    expect([vip.subject.kind, pathTo(vip, 'system.sdwan.virtual_ip.reserved')[0]]).toEqual([
      'virtual_ip',
      'system_assign_module_to_template',
    ]);
    for (const { entries } of [cluster, vip]) {
      const seen = new Set<string>();
      for (const { id, parent_id, after_ms } of entries) {
        expect([parent_id === null || seen.has(parent_id), after_ms >= 0]).toEqual([true, true]);
        seen.add(id);
      }
    }
  });

  it('of a virtual IP tells its move: who asked, what every node answered and how long each took', async () => {
    fleet.answerMoves();
    await fleet.ok('system_sdwan_failover_virtual_ip', { virtual_ip_id: 'k3s_api_endpoint' });
    const isMoved = ({ kind }: Entry) => kind === 'system.sdwan.virtual_ip.moved';
    const moved = await fleet.until('it has moved', async () =>
      (await story('k3s_api_endpoint')).entries.find(isMoved),
    );
    const servers = [...moved.title.matchAll(/k3s-server-\d in \d+ ms/g)];
    expect([moved.title, servers.length > 0]).toEqual([expect.stringContaining(' | acknowledged by '), true]);
    const settled = await fleet.until('the network has settled', async () => {
      await fleet.applyNetwork('prod');
      const told = await story('k3s_api_endpoint');
      return told.entries.find(({ title }) => /applied by 3 nodes \(p50 3 ms, p99 7 ms\)/.test(title)) && told;
    });
    for (const kind of ['virtual_ip.move_started', 'virtual_ip.moved'])
      expect(pathTo(settled, `system.sdwan.${kind}`)[0]).toBe('system_sdwan_failover_virtual_ip');
    expect(pathTo(settled, 'system.sdwan.network.generation_settled')[0]).toBe('system_sdwan_failover_virtual_ip');
    expect(settled.phases).toContainEqual(
      expect.objectContaining({ name: 'moving the virtual IP', outcome: 'done', duration_ms: expect.any(Number) }),
    );
  });

  it('ends where the fleet is: clusters, too, are as the read models show them', async () => {
    const docs = await live();
    expect(documentsOf(await stateAt({}))).toEqual(plain(docs));
    expect(docs.clusters).toHaveLength(1);
  });

  it('is cut by from, to and limit, and knows what is meant', async () => {
    const all = await story('k3s-cluster-1');
    expect((await story('k3s-cluster-1', { to: began })).entries).toEqual([]);
    const few = await story('k3s-cluster-1', { limit: 5 });
    expect(few.entries.length).toBeLessThanOrEqual(5);
    expect(all.entries.map((entry) => entry.id)).toEqual(expect.arrayContaining(few.entries.map((entry) => entry.id)));
    const refused = async (args: object) => (await drover.rest('explain', args)).body.error;
    expect(await refused({ subject: 'k3s-servr-1' })).toMatchObject({
      code: 'subject_not_found',
      hint: 'did you mean k3s-server-1?',
    });
    expect(await refused({ subject: 'k3s-cluster-1', from: '2026-01-01' })).toMatchObject({
      code: 'time_without_zone',
      field: 'from',
    });
  });
});

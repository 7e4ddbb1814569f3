import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toolArguments } from './arguments.js';
import type { Cli } from './cli.js';
import { readAt } from './read-at.js';
import type { Tool } from './tool.js';

const PAST: Readonly<Record<string, readonly object[]>> = {
  nodes: [
    { id: 'node-1', name: 'k3s-1', hostname: 'k3s-1' },
    { id: 'node-2', name: 'k3s-2', hostname: 'k3s-2' },
  ],
  instances: [
    { id: 'instance-1', name: 'k3s-1', node_id: 'node-1', state: 'running' },
    { id: 'instance-2', name: 'k3s-2', node_id: 'node-2', state: 'running' },
  ],
  networks: [
    { id: 'network-1', name: 'prod' },
    { id: 'network-2', name: 'lab' },
  ],
  peers: [
    { id: 'peer-1', name: 'gw-1', network_id: 'network-1', node_instance_id: 'instance-1', host_address: 'fd00::1' },
    { id: 'peer-2', name: 'gw-1', network_id: 'network-2', node_instance_id: 'instance-2', host_address: 'fd00::2' },
  ],
  templates: [],
  clusters: [{ id: 'cluster-1', name: 'k3s' }],
  // As they were first seen, the oldest first.
  kubeconfigs: ['10', '11', '12'].map((day) => ({ id: `kubeconfig-${day}`, issued_at: `2026-11-${day}T00:00:00Z` })),
  snapshots: ['10', '11', '12'].flatMap((day) => [
    { id: `snapshot-${day}`, kind: 'snapshot', created_at: `2026-11-${day}T00:00:00Z` },
    { id: `restore-${day}`, kind: 'restore', created_at: `2026-11-${day}T01:00:00Z` },
  ]),
};

let platform: Server;
let cli: Cli;
let askedForEvents: object;
beforeEach(async () => {
  platform = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      if (request.url!.endsWith('recent_events')) {
        askedForEvents = JSON.parse(text) as object;
        return response.end(JSON.stringify({ success: true, data: { events: [] } }));
      }
      // Nothing is told that was not asked for.
      const { kinds } = JSON.parse(text) as { readonly kinds: readonly string[] };
      const of = kinds.map((kind): [string, readonly object[]] => [kind, PAST[kind]!.map((view) => ({ view }))]);
      const counts = Object.fromEntries(of.map(([kind, all]) => [kind, all.length]));
      const data = {
        as_of: { time: '2026-11-20T10:00:00Z', position: 'of another event' },
        counts,
        ...Object.fromEntries(of),
      };
      return response.end(JSON.stringify({ success: true, data }));
    });
  });
  await new Promise<void>((resolve) => platform.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(platform.address() as AddressInfo).port}`;
  const silent = { out: () => undefined, progress: () => undefined, terminal: false };
  cli = { settings: { url, token: 't', json: false }, env: {}, ...silent, end: new AbortController().signal };
});
afterEach(() => {
  platform.closeAllConnections();
  platform.close();
});

const tool = (noun: string, verb: string, required: string[], optional: string[], aliases = {}): Tool => {
  const properties = Object.fromEntries([...required, ...optional].map((name) => [name, { type: 'string' }]));
  const is = { name: 'x', group: 'x', summary: '', description: '', danger: 'read', examples: [] } as const;
  return { ...is, aliases, cli: [noun, verb], input_schema: { properties, required } };
};
const TOOLS: Readonly<Record<string, Tool>> = {
  'instance list': tool('instance', 'list', [], ['node_id', 'state']),
  'instance get': tool('instance', 'get', ['id'], [], { instance_id: 'id' }),
  'peer get': tool('peer', 'get', ['peer_id'], ['network_id'], { instance_id: 'peer_id' }),
};
const at = (line: string) => {
  const [noun, verb, ...words] = line.split(' ');
  const of = TOOLS[`${noun} ${verb}`]!;
  return readAt(cli, of, toolArguments(of, words), '2026-11-20T10:00:00Z');
};

it.each(['k3s-1', 'node-1'])('cuts a list by a node, called %s', async (node) => {
  expect((await at(`instance list --node-id ${node}`)).instances).toEqual([PAST.instances![0]]);
});

it('says so where there was no such node, instead of an empty list', async () => {
  await expect(at('instance list --node-id k3s-9')).rejects.toMatchObject({ exitCode: 5, message: 'node k3s-9' });
});

it.each([
  ['peer get gw-1 --network-id lab', 'peer-2'],
  ['peer get --network-id lab gw-1', 'peer-2'],
  ['peer get --network-id network-1 gw-1', 'peer-1'],
  ['peer get instance-2', 'peer-2'],
  ['peer get --instance-id instance-2', 'peer-2'],
  ['peer get fd00::1', 'peer-1'],
])('%s', async (line, id) => {
  expect((await at(line)).peer).toMatchObject({ id });
});

it('says which name several bore, and which network there was not', async () => {
  await expect(at('peer get --network-id lab gw-2')).rejects.toMatchObject({ exitCode: 5, message: 'peer gw-2' });
  await expect(at('peer get gw-1')).rejects.toMatchObject({ exitCode: 6, message: 'peer gw-1' });
  await expect(at('peer get gw-1 --network-id prd')).rejects.toMatchObject({ exitCode: 5, message: 'network prd' });
});

it("finds an instance by its node's id", async () => {
  expect((await at('instance get node-2')).instance).toMatchObject({ id: 'instance-2' });
});

it('gives the newest where a list is cut, each list by itself, as today', async () => {
  const ids = (rows: unknown) => (rows as readonly { readonly id: string }[]).map(({ id }) => id);
  const of = async (noun: string) =>
    readAt(cli, tool(noun, 'list', [], ['limit']), { limit: 2 }, '2026-11-20T10:00:00Z');
  expect(ids((await of('kubeconfig')).kubeconfigs)).toEqual(['kubeconfig-12', 'kubeconfig-11']);
  const { snapshots, restores } = await of('snapshot');
  expect([ids(snapshots), ids(restores)]).toEqual([
    ['snapshot-12', 'snapshot-11'],
    ['restore-12', 'restore-11'],
  ]);
});

it('asks for events up to the time itself: the last one that says how the fleet was may lie before others', async () => {
  const events: Tool = { ...tool('event', 'list', [], ['kind_prefix', 'until']), name: 'recent_events' };
  const answer = await readAt(cli, events, { kind_prefix: 'system.tool_policy' }, '2026-11-20T11:00:00+01:00');
  expect(askedForEvents).toEqual({ kind_prefix: 'system.tool_policy', until: '2026-11-20T10:00:00Z' });
  expect(answer).toEqual({ events: [], as_of: '2026-11-20T10:00:00Z' });
});

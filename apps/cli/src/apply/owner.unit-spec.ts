import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Cli } from '../cli.js';
import { runApply } from './command.js';
import { recordFile } from './record.js';

const PEER = 'system_sdwan_detach_peer';
const LISTS: Readonly<Record<string, object>> = {
  system_sdwan_list_networks: { networks: [{ id: 'network-1', name: 'prod-net' }] },
  system_sdwan_list_peers: { peers: [{ id: 'peer-1', kind: 'node', name: 'gw-1', network_id: 'network-1' }] },
  system_sdwan_list_firewall_rules: { firewall_rules: [] },
  system_sdwan_list_access_grants: { grants: [] },
  system_list_templates: { templates: [] },
  system_list_nodes: { nodes: [] },
};

let home: string;
let platform: Server;
let url: string;
/** Everything that was called and does not list. */
let changes: string[];
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'drover-apply-'));
  changes = [];
  const tools = [...Object.keys(LISTS).map((name) => ({ name, danger: 'read' })), { name: PEER, danger: 'destroy' }];
  platform = createServer((request, response) => {
    const name = /^\/api\/v1\/tools\/(.+)$/.exec(request.url ?? '')?.[1];
    if (name !== undefined && LISTS[name] === undefined) changes.push(name);
    const data = name === undefined ? { tools, guarded: false } : (LISTS[name] ?? {});
    response.end(JSON.stringify({ success: true, data }));
  });
  await new Promise<void>((resolve) => platform.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(platform.address() as AddressInfo).port}`;
});
afterEach(() => {
  platform.closeAllConnections();
  platform.close();
  rmSync(home, { recursive: true });
});

const recordOf = (set: string) => recordFile({ HOME: home }, url, set);
const write = (file: string, set: string, key = 'Peer prod-net/gw-1') => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify({ set, platform: url, made: [{ key, kind: 'Peer', id: 'peer-1' }] }));
  return file;
};
const made = (file: string) => (JSON.parse(readFileSync(file, 'utf8')) as { readonly made: readonly unknown[] }).made;
const apply = (document: string, words: readonly string[], protectedContext?: string) => {
  const file = join(home, 'fleet.yaml');
  writeFileSync(file, document);
  const cli: Cli = {
    settings: { url, token: 't', json: false, ...(protectedContext === undefined ? {} : { protectedContext }) },
    ...{ env: { HOME: home }, out: () => undefined, progress: () => undefined, terminal: false },
    end: new AbortController().signal,
  };
  return runApply(
    () => cli,
    'apply',
    ['-f', file, ...words],
    () => undefined,
  );
};
const BY_ID = 'kind: Peer\nnetwork: network-1\nnode: gw-1';
const BY_NAME = 'kind: Peer\nnetwork: prod-net\nnode: gw-1';

it('prunes nothing that the files still name in other words, and remembers it by those', async () => {
  const file = write(recordOf('default'), 'default');
  expect(await apply(BY_ID, ['--prune'])).toBe(0);
  expect(changes).toEqual([]);
  expect(made(file)).toEqual([{ key: 'Peer network-1/gw-1', kind: 'Peer', id: 'peer-1' }]);
  // What they then name no more goes.
  await apply('kind: Network\nname: prod-net', ['--prune']);
  expect(changes).toEqual([PEER]);
  expect(made(file)).toEqual([]);
});

it('knows what belongs to a fleet whose record lies in the usual place, also with --record', async () => {
  write(recordOf('web'), 'web');
  const mine = join(home, 'git', 'record.json');
  await expect(apply(BY_NAME, ['--record', mine])).rejects.toMatchObject({
    exitCode: 6,
    why: expect.stringContaining('"web"'),
  });
});

it('takes a thing out of every other record', async () => {
  const others = [write(recordOf('web'), 'web'), write(recordOf('shop'), 'shop')];
  others.push(write(join(home, 'git', 'other.json'), 'third'));
  const mine = join(home, 'git', 'record.json');
  await apply(BY_NAME, ['--record', mine, '--take-over']);
  expect(others.map(made)).toEqual([[], [], []]);
  expect(made(mine)).toHaveLength(1);
  // Cut off between its own record and the others', it goes on.
  write(others[0]!, 'web');
  await apply(BY_NAME, ['--record', mine, '--take-over']);
  expect([made(others[0]!), made(mine)]).toEqual([[], [expect.objectContaining({ id: 'peer-1' })]]);
});

it('takes nothing over in a protected context before somebody has said that they mean it', async () => {
  const other = write(recordOf('web'), 'web');
  await expect(apply(BY_NAME, ['--take-over'], 'prod')).rejects.toMatchObject({
    message: expect.stringContaining('prod is protected'),
  });
  expect(made(other)).toHaveLength(1);
  expect(() => made(recordOf('default'))).toThrow('ENOENT');
});

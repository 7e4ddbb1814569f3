import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Catalogue, Tool } from './catalogue.js';
import type { Cli } from './cli.js';
import { lookedAt } from './wait-subject.js';

let platform: Server;
let cli: Cli;
let grants: readonly object[];
beforeEach(async () => {
  platform = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    // One to a page: what is meant may be on any of them.
    request.on('end', () => {
      const at = Number((JSON.parse(text) as { cursor?: string }).cursor ?? 0);
      const next_cursor = at + 1 < grants.length ? String(at + 1) : null;
      response.end(JSON.stringify({ success: true, data: { grants: grants.slice(at, at + 1), next_cursor } }));
    });
  });
  await new Promise<void>((resolve) => platform.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(platform.address() as AddressInfo).port}`;
  const end = new AbortController().signal;
  const silent = { out: () => undefined, progress: () => undefined, terminal: false };
  cli = { settings: { url, token: 't', json: false }, env: {}, ...silent, end };
});
afterEach(() => {
  platform.closeAllConnections();
  platform.close();
});

const tool = { name: 'list_grants', cli: ['grant', 'list'], input_schema: { properties: {} } } as unknown as Tool;
const catalogue = {
  find: async (pick: (one: Tool) => boolean) => [tool].find(pick),
  known: async () => [tool],
} as unknown as Catalogue;
const grant = (id: string, status: string, name = 'laptop') => ({ id, name, status });

it.each([
  ['the one that lives, of several that bore its name', 'laptop', [grant('a', 'revoked'), grant('b', 'pending')], 'b'],
  ['it also where another was revoked later', 'laptop', [grant('a', 'pending'), grant('b', 'revoked')], 'a'],
  ['what bore it last, where none lives', 'laptop', [grant('a', 'revoked'), grant('b', 'expired')], 'b'],
  ['an id before a name', 'b', [grant('a', 'pending', 'b'), grant('b', 'revoked')], 'b'],
  ['nothing where there is none', 'phone', [grant('a', 'pending')], undefined],
])('looks at %s', async (_what, name, all, id) => {
  grants = all;
  const found = await (await lookedAt(cli, catalogue, `grant/${name}`)).look();
  expect(found?.id).toBe(id);
});

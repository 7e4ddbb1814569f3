import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { callTool } from './client.js';
import { eventMessages } from './event-source.js';
import type { Settings } from './settings.js';

const HINT = 'send "Authorization: Bearer TOKEN"; the first token is in admin.token in the data directory';
let platform: Server;
let settings: Settings;
beforeEach(async () => {
  platform = createServer((_request, response) => {
    const error = { code: 'invalid_token', message: 'the token is unknown', field: 'authorization', hint: HINT };
    response.writeHead(401).end(JSON.stringify({ success: false, error }));
  });
  await new Promise<void>((resolve) => platform.listen(0, '127.0.0.1', resolve));
  settings = { url: `http://127.0.0.1:${(platform.address() as AddressInfo).port}`, token: 't', json: false };
});
afterEach(() => {
  platform.closeAllConnections();
  platform.close();
});

it.each([
  ['a call', () => callTool(settings, 'system_list_nodes', {})],
  ['a stream', () => eventMessages(settings, '', undefined, new AbortController().signal, () => undefined).next()],
])('tells whoever makes %s with a bad token how one gets a good one at a shell', async (_what, make) => {
  const hint = expect.stringMatching(/^drover login.*DROVER_TOKEN/);
  await expect(make()).rejects.toMatchObject({ exitCode: 4, message: 'the token is unknown', hint });
});

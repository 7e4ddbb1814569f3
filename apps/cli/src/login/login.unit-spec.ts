import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { browserLogin } from './login.js';

const LOGGED_IN = { token: 't', expires_at: 'e', operator: { name: 'o' }, account: { name: 'a' }, role: 'viewer' };

let platform: Server;
let url: string;
/** Where the platform sends the browser, and what it was told to come back to. */
let page: string;
let redirect: string;
beforeEach(async () => {
  page = 'https://id.test/auth';
  platform = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const isStart = request.url === '/api/v1/login/oidc/start';
      if (isStart) redirect = (JSON.parse(text) as { redirect_uri: string }).redirect_uri;
      const started = { authorization_url: page, login: 'l', state: 's' };
      response.end(JSON.stringify({ success: true, data: isStart ? started : LOGGED_IN }));
    });
  });
  await new Promise<void>((resolve) => platform.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(platform.address() as AddressInfo).port}`;
});
afterEach(() => {
  platform.closeAllConnections();
  platform.close();
});

/** A login of somebody whose browser is elsewhere, up to the address that they are told to open. */
const begin = (told: (text: string) => void = () => undefined) => {
  const stdin = new PassThrough();
  let seen: () => void;
  const shown = new Promise<void>((resolve) => (seen = resolve));
  const progress = (text: string) => {
    told(text);
    if (text.includes('Paste it here')) seen();
  };
  return { stdin, shown, done: browserLogin({ url, env: {}, port: 0, browser: false, stdin, progress }) };
};

/** What a browser sends for `http://127.0.0.1:PORT//`, which fetch does not. */
const raw = (path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(redirect).port), '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.once('close', () => resolve(answer.split('\r\n')[0]!));
    socket.once('error', reject);
    socket.end(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  });

it('waits for no line any more once the browser came back by itself', async () => {
  const { stdin, shown, done } = begin();
  await shown;
  expect((await fetch(`${redirect}?code=c&state=s`)).status).toBe(200);
  expect(await done).toMatchObject({ token: 't' });
  expect(stdin.isPaused()).toBe(true);
});

it('goes on when somebody asks the listener for what is no address, or with another state', async () => {
  const { shown, done } = begin();
  await shown;
  expect(await raw('//')).toContain('404');
  expect((await fetch(`${redirect}?code=c&state=other`)).status).toBe(404);
  expect((await fetch(`${redirect}?code=c&state=s`)).status).toBe(200);
  expect(await done).toMatchObject({ token: 't' });
});

it.each(['file:///usr/share/applications/x.desktop', 'javascript:alert(1)', 'nowhere', ''])(
  'opens and shows no %j that a platform may name',
  async (named) => {
    page = named;
    const told: string[] = [];
    await expect(begin((text) => void told.push(text)).done).rejects.toMatchObject({ exitCode: 3 });
    expect(told).toEqual([]);
  },
);

it('shows an address without what would drive a terminal', async () => {
  page = 'https://id.test/a\u001b]0;x\u0007b';
  const told: string[] = [];
  const { stdin, shown, done } = begin((text) => void told.push(text));
  await shown;
  stdin.end('http://127.0.0.1/callback?code=c&state=s\n');
  await done;
  expect(told.join('\n')).not.toMatch(/[\u001b\u0007]/);
});

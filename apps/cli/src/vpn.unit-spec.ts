import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { encode } from 'uqr';
import { runVpn } from './vpn.js';
import { deviceConfig, parseFile, renderFile } from './vpn-config.js';
import { qrCode } from './vpn-qr.js';
import { outside } from './vpn-refresh.js';

const KEY = Buffer.alloc(32, 7).toString('base64');
const TOKEN = `dg_00000000-0000-4000-8000-000000000001_${'a'.repeat(43)}`;
const CONFIG = {
  interface: {
    name: 'wg-sdwan-abc123',
    addresses: ['fd00::1:5/128', '100.64.16.5/32'],
    listen_port: 51_820,
    mtu: 1_420,
  },
  peers: [
    {
      peer_id: 'sdwan_peer-1',
      public_key: KEY,
      endpoints: ['[fd77::b]:51820', '10.77.0.11:51820'],
      allowed_ips: ['fd00::10/128', '100.64.16.10/32', '10.42.1.0/24', 'fd00::99/128'],
      persistent_keepalive: 25,
    },
  ],
  routes: [
    { prefix: 'fd00::/64', kind: 'device' },
    { prefix: '100.64.16.0/20', kind: 'device' },
  ],
  hash: 'h1',
};

/** Answers like the platform: one use of the token, and the configuration of the moment. */
class FakePlatform {
  config: object = CONFIG;
  used = false;
  meanwhile = () => {};
  readonly bodies: string[] = [];
  private readonly server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      this.bodies.push(body);
      const [status, answer] = this.answer(request.method!, request.headers.authorization);
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }
  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private answer(method: string, authorization: string | undefined): [number, object] {
    const gone = { code: 'bootstrap_token_gone', message: 'the bootstrap token was used already', hint: 'ask' };
    if (method === 'GET') {
      if (authorization === 'Bearer dd_secret') return [200, { success: true, data: this.config }];
      return [401, { success: false, error: { code: 'invalid_device_token', message: 'unknown' } }];
    }
    if (this.used) return [410, { success: false, error: gone }];
    this.used = true;
    this.meanwhile();
    const data = {
      peer_id: 'sdwan_peer-9',
      network_id: 'sdwan_network-1',
      device_token: 'dd_secret',
      config_path: '/api/v1/sdwan/devices/sdwan_peer-9/config',
      config: this.config,
    };
    return [200, { success: true, data }];
  }
}

describe('drover vpn', () => {
  let dir: string;
  let platform: FakePlatform;
  let url: string;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'drover-vpn-'));
    platform = new FakePlatform();
    url = await platform.listen();
  });
  afterEach(() => {
    platform.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const run = async (words: readonly string[], { stdin = '', env = {}, json = false, tty = false } = {}) => {
    const said: string[] = [];
    const output = { out: (text: string) => void said.push(text), progress: (text: string) => void said.push(text) };
    const flags = { url, json };
    const code = await runVpn({
      flags,
      help: false,
      words,
      env,
      output,
      stdin: Object.assign(Readable.from([stdin]), { isTTY: tty }),
      colours: false,
    });
    return { code, said: said.join('\n') };
  };

  it('joins: the key stays in a file of the owner only, and the public key alone travels', async () => {
    const out = join(dir, 'laptop.conf');
    const { code, said } = await run(['join', '-', '--out', out], {
      stdin: `${url}/api/v1/sdwan/bootstrap/${TOKEN}\n`,
    });
    expect(code).toBe(0);
    expect(said).toContain(`wg-quick up ${out}`);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const text = readFileSync(out, 'utf8');
    const { privateKey } = parseFile(text)!;
    expect(platform.bodies.join()).not.toContain(privateKey);
    expect(JSON.parse(platform.bodies[0]!)).toEqual({ public_key: expect.stringMatching(/^.{43}=$/) });
    expect(text.slice(text.indexOf('[Interface]'))).toBe(
      `[Interface]\nPrivateKey = ${privateKey}\nAddress = fd00::1:5/64, 100.64.16.5/20\nMTU = 1420\n\n[Peer]\nPublicKey = ${KEY}\n` +
        'AllowedIPs = fd00::10/128, 100.64.16.10/32, 10.42.1.0/24, fd00::99/128\nEndpoint = [fd77::b]:51820\nPersistentKeepalive = 25\n',
    );
    expect(readdirSync(dir)).toEqual(['laptop.conf']);
  });

  it('spends no grant on a file that it may not write, and replaces one only when told to', async () => {
    const out = join(dir, 'laptop.conf');
    writeFileSync(out, 'precious');
    const env = { DROVER_GRANT: TOKEN };
    await expect(run(['join', '--out', out], { env })).rejects.toThrow('is there already');
    await expect(run(['join', '--out', join(dir, 'no/such/place.conf')], { env })).rejects.toThrow('cannot be written');
    expect([platform.used, readFileSync(out, 'utf8')]).toEqual([false, 'precious']);
    chmodSync(out, 0o644);
    expect((await run(['join', '--out', out, '--force'], { env })).code).toBe(0);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect(parseFile(readFileSync(out, 'utf8'))).toBeDefined();
    const second = join(dir, 'second.conf');
    await expect(run(['join', '--out', second], { env })).rejects.toMatchObject({
      message: 'the bootstrap token was used already',
      why: 'bootstrap_token_gone (HTTP 410)',
    });
    expect(readdirSync(dir)).toEqual(['laptop.conf']);
  });

  it('keeps the key of a spent grant when the file cannot be put in its place', async () => {
    const out = join(dir, 'a.conf');
    platform.meanwhile = () => writeFileSync(out, 'somebody else was faster');
    const error: unknown = await run(['join', '--out', out], { env: { DROVER_GRANT: TOKEN } }).catch((e: unknown) => e);
    const [draft] = readdirSync(dir).filter((name) => name !== 'a.conf');
    expect(error).toMatchObject({ why: expect.stringContaining(join(dir, draft!)) });
    expect(statSync(join(dir, draft!)).mode & 0o777).toBe(0o600);
    expect(parseFile(readFileSync(join(dir, draft!), 'utf8'))).toBeDefined();
    expect(readFileSync(out, 'utf8')).toBe('somebody else was faster');
  });

  it('takes the token from a file or somebody who types it unseen, and a URL as an argument with a warning only', async () => {
    const file = join(dir, 'grant');
    writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
    const where = (name: string) => ['--out', join(dir, name)];
    expect((await run(['join', '--grant-file', file, ...where('a.conf')])).said).not.toContain('warning');
    platform.used = false;
    const typed = await run(['join', ...where('b.conf')], { stdin: `${TOKEN}\r`, tty: true });
    expect(typed).toMatchObject({ code: 0, said: expect.stringContaining('it is not shown') });
    expect(typed.said).not.toContain(TOKEN);
    platform.used = false;
    const shown = await run(['join', `${url}/api/v1/sdwan/bootstrap/${TOKEN}`, ...where('c.conf')]);
    expect(shown).toMatchObject({ code: 0, said: expect.stringContaining('warning: other users') });
    expect(readdirSync(dir).sort()).toEqual(['a.conf', 'b.conf', 'c.conf', 'grant']);
  });

  it.each([[['--grant', TOKEN]], [[`--grant=${TOKEN}`]], [[TOKEN]]])(
    'takes no token alone as an argument: %j',
    async (words) => {
      const refused = run(['join', ...words, '--out', join(dir, 'a.conf')]);
      await expect(refused).rejects.toMatchObject({
        exitCode: 2,
        message: 'the token of a grant is not taken as an argument',
        hint: expect.not.stringContaining(TOKEN),
      });
      expect([platform.used, readdirSync(dir)]).toEqual([false, []]);
    },
  );

  it('never repeats what may be a token, whatever is wrong with it', async () => {
    const wrong = run(['join', `${url}/bootstrap/${TOKEN}`, '--out', join(dir, 'a.conf')]);
    await expect(wrong).rejects.toMatchObject({ why: expect.not.stringContaining(TOKEN), exitCode: 2 });
    expect(readdirSync(dir)).toEqual([]);
  });

  it('writes nothing that would be a command to wg-quick', async () => {
    const evil = { ...CONFIG.peers[0]!, endpoints: ['10.0.0.1:1\nPostUp = touch /tmp/x'] };
    platform.config = { ...CONFIG, peers: [evil] };
    const joined = run(['join', '--out', join(dir, 'a.conf')], { env: { DROVER_GRANT: TOKEN } });
    await expect(joined).rejects.toThrow('sent what is no configuration');
    expect(readdirSync(dir)).toEqual([]);
  });

  it('brings the file up to date with the same key, and says whether anything changed', async () => {
    const out = join(dir, 'a.conf');
    await run(['join', '--out', out], { env: { DROVER_GRANT: TOKEN } });
    const before = readFileSync(out, 'utf8');
    expect((await run(['refresh', out])).said).toContain('is up to date');
    expect(readFileSync(out, 'utf8')).toBe(before);
    const peer = { ...CONFIG.peers[0]!, allowed_ips: ['fd00::10/128'] };
    platform.config = { ...CONFIG, peers: [peer], hash: 'h2' };
    const { said } = await run(['refresh', out], { json: true });
    expect(JSON.parse(said).data).toEqual({ changed: true, applied: false, hash: 'h2', added: 1, gone: 1 });
    const after = readFileSync(out, 'utf8');
    expect(after).toContain('AllowedIPs = fd00::10/128\n');
    expect(parseFile(after)!.privateKey).toBe(parseFile(before)!.privateKey);
    expect(statSync(out).mode & 0o777).toBe(0o600);
  });
});

it('adds routes only for what lies outside the network', () => {
  expect(outside(deviceConfig.parse(CONFIG))).toEqual(['10.42.1.0/24']);
});

it('reads back what it wrote, and nothing else', () => {
  const source = { url: 'http://h:1', path: '/api/x', token: 'dd_1', hash: 'h1' };
  expect(parseFile(renderFile({ privateKey: KEY, source }, deviceConfig.parse(CONFIG)))).toEqual({
    privateKey: KEY,
    source,
  });
  expect(parseFile(`[Interface]\nPrivateKey = ${KEY}\n`)).toBeUndefined();
});

describe('the QR code', () => {
  it('draws the light modules, two rows a line', () => {
    const { data } = encode('hello', { ecc: 'L', border: 2 });
    const lines = qrCode('hello', false).split('\n');
    for (const [y, row] of data.entries())
      for (const [x, isDark] of row.entries()) {
        const light = (y % 2 === 0 ? '█▀' : '█▄').includes(lines[y >> 1]![x]!);
        expect([x, y, light]).toEqual([x, y, !isDark]);
      }
    expect(qrCode('hello', true)).toMatch(/^\x1b\[97;40m/);
  });
  it('says so when the configuration is too long for one', () => {
    expect(() => qrCode('x'.repeat(2_954), false)).toThrow('does not fit');
    expect(qrCode('x'.repeat(2_953), false).length).toBeGreaterThan(1_000);
  });
});

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeContexts } from './contexts/file.js';
import { Bridge } from './mcp-bridge.js';
import { endsWhenAnswered, mcpPath, runMcp } from './mcp.js';

type Message = Parameters<Bridge['fromClient']>[0];

type Send = (message: Message, signal: AbortSignal, streamEnds: () => void) => Promise<void>;

const setup = (send: Send) => {
  const told: Message[] = [];
  const versions: string[] = [];
  const bridge = new Bridge(
    { send: async (message) => void told.push(message) },
    {
      send: (message, options) => send(message as Message, options!.requestSignal!, options!.onRequestStreamEnd!),
      setProtocolVersion: (version) => void versions.push(version),
    },
    (error) => {
      throw error;
    },
  );
  return { bridge, told, versions };
};
const request = (id: number, method = 'tools/call'): Message => ({ jsonrpc: '2.0', id, method, params: {} });

describe('drover mcp', () => {
  it('carries messages as they are, and remembers the version of the earlier era', async () => {
    const sent: Message[] = [];
    const { bridge, told, versions } = setup(async (message) => void sent.push(message));
    await bridge.fromClient(request(1, 'initialize'));
    await bridge.fromPlatform({ jsonrpc: '2.0', id: 1, result: { protocolVersion: '2025-11-25' } });
    expect([sent, versions]).toEqual([[request(1, 'initialize')], ['2025-11-25']]);
    expect(told).toEqual([{ jsonrpc: '2.0', id: 1, result: { protocolVersion: '2025-11-25' } }]);
    expect(bridge.open).toBe(0);
  });

  it('answers what could not be carried with an error under its id', async () => {
    const { bridge, told } = setup(async () => Promise.reject(new Error('the platform is away')));
    await bridge.fromClient(request(7));
    expect(told).toEqual([{ jsonrpc: '2.0', id: 7, error: { code: -32_603, message: 'the platform is away' } }]);
  });

  it('ends a cancelled request, and answers it no more', async () => {
    let ended: AbortSignal | undefined;
    const { bridge, told } = setup((_, signal) => {
      ended = signal;
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    });
    const call = bridge.fromClient(request(3));
    await bridge.fromClient({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 3 } });
    await call;
    await bridge.fromPlatform({ jsonrpc: '2.0', id: 3, result: {} });
    expect([ended?.aborted, told, bridge.open]).toEqual([true, [], 0]);
  });

  it('keeps what is said after `initialize` until that is answered, also with an error', async () => {
    const sent: Message[] = [];
    const { bridge } = setup(async (message) => void sent.push(message));
    const answers: Message[] = [
      { jsonrpc: '2.0', id: 1, result: { protocolVersion: '2025-11-25' } },
      { jsonrpc: '2.0', id: 1, error: { code: -32_600, message: 'no' } },
    ];
    for (const answer of answers) {
      sent.length = 0;
      const all = [request(1, 'initialize'), request(2), request(3)].map((message) => bridge.fromClient(message));
      expect(sent).toEqual([request(1, 'initialize')]);
      await bridge.fromPlatform(answer);
      await Promise.all(all);
      expect(sent.slice(1)).toEqual([request(2), request(3)]);
    }
  });

  it('answers a request whose stream ended without an answer', async () => {
    const { bridge, told } = setup(async (_message, _signal, streamEnds) => streamEnds());
    await bridge.fromClient(request(4));
    await bridge.answeredAll();
    expect(told).toEqual([
      { jsonrpc: '2.0', id: 4, error: { code: -32_603, message: expect.stringMatching(/broke/) } },
    ]);
  });

  it('waits with its end for what was asked before stdin ended, and for what was cancelled no longer', async () => {
    const { bridge, told } = setup(async () => undefined);
    const stdin = new PassThrough();
    const held = endsWhenAnswered(stdin, () => bridge.answeredAll());
    held.on('data', (lines: Buffer) => {
      for (const line of String(lines).trim().split('\n')) void bridge.fromClient(JSON.parse(line) as Message);
    });
    const whole = ended(held);
    for (const id of [1, 2]) stdin.write(`${JSON.stringify(request(id))}\n`);
    stdin.end();
    await flushed();
    expect([bridge.open, held.readableEnded]).toEqual([2, false]);
    await bridge.fromClient({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    await flushed();
    expect(held.readableEnded).toBe(false);
    await bridge.fromPlatform({ jsonrpc: '2.0', id: 2, result: {} });
    await whole;
    expect(told).toEqual([{ jsonrpc: '2.0', id: 2, result: {} }]);
  });

  it('ends at last where no answer comes', async () => {
    const stdin = new PassThrough();
    const held = endsWhenAnswered(stdin, () => new Promise(() => undefined), 1);
    stdin.end('{}');
    expect(await text(held)).toBe('{}\n');
  });

  it('goes where the toolsets are', () => {
    expect(mcpPath([]).path).toBe('/mcp');
    expect(mcpPath(['--all', '--readonly']).path).toBe('/mcp/all/readonly');
    expect(mcpPath(['--toolsets', 'nodes,sdwan']).path).toBe('/mcp/x/nodes%2Csdwan');
    expect(() => mcpPath(['--al'])).toThrow('--al');
  });
});

const ended = (stream: Readable) => new Promise<void>((resolve) => stream.once('end', resolve));
/** What streams hand on by themselves is handed on. */
const flushed = () => new Promise((resolve) => setTimeout(resolve, 20));

it('asks in a protected context with the name of the account, as every command does', async () => {
  const home = mkdtempSync(join(tmpdir(), 'drover-mcp-'));
  const data = { tools: [], guarded: false, operator: { name: 'admin' }, account: { id: 'account-1', name: 'acme' } };
  const platform = createServer((_, response) => response.end(JSON.stringify({ success: true, data })));
  await new Promise<void>((resolve) => platform.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(platform.address() as AddressInfo).port}`;
    const env = { HOME: home };
    writeContexts(env, { current: 'prod', contexts: { prod: { url, token: 't', protected: true } } });
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    const stderr = new PassThrough();
    stdin.end('prdo\n');
    const run = runMcp({ flags: { json: false }, help: false, words: [], env }, { stdin, stderr });
    await expect(run).rejects.toMatchObject({ why: 'another name was typed' });
    expect(String(stderr.read())).toContain(`This changes prod (${url}, as admin in account acme)`);
  } finally {
    platform.closeAllConnections();
    platform.close();
    rmSync(home, { recursive: true });
  }
});

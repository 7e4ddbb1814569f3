import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { systemTimers } from '#kernel';
import { HIDDEN_TEXT, HOSTILE_TEXTS } from '../../../../test/doubles/hostile-texts.js';
import { HttpTransport } from './transport.js';

describe('the transport of webhooks', () => {
  let server: Server;
  let requests = 0;
  let port: number;
  beforeAll(async () => {
    server = createServer((request, response) => {
      requests++;
      if (request.url === '/hang') return;
      if (request.url === '/busy') return void response.writeHead(429, { 'retry-after': '7' }).end();
      if (request.url === '/endless') {
        response.writeHead(200);
        const more = setInterval(() => response.write('x'.repeat(100_000)), 1);
        response.on('close', () => clearInterval(more));
        return;
      }
      response.writeHead(204).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => (requests = 0));
  const send = (url: string, allowPrivate: boolean, timeoutMs = 5_000) =>
    new HttpTransport({ timers: systemTimers, allowPrivate, timeoutMs }).send(
      { url, headers: {}, body: '{}' },
      new AbortController().signal,
    );

  it('refuses a name that leads to a private address, at the moment of connecting', async () => {
    // The name itself is fine for a check of its text: only the look-up shows where it leads.
    expect(await send(`http://localhost:${port}/`, false)).toEqual({
      kind: 'failed',
      error: 'localhost is at no public address',
    });
    expect(await send(`http://127.0.0.1:${port}/`, false)).toMatchObject({
      error: '127.0.0.1 is not a public address',
    });
    expect(requests).toBe(0);
    expect(await send(`http://localhost:${port}/`, true)).toEqual({ kind: 'ok', status: 204 });
  });

  it('gives up after its time, reads no endless answer, and tells when to come again', async () => {
    expect(await send(`http://127.0.0.1:${port}/hang`, true, 200)).toEqual({
      kind: 'failed',
      error: 'no answer within 0.2 s',
    });
    expect(await send(`http://127.0.0.1:${port}/endless`, true)).toEqual({ kind: 'ok', status: 200 });
    expect(await send(`http://127.0.0.1:${port}/busy`, true)).toMatchObject({ status: 429, retryAfterMs: 7_000 });
  });

  describe('of an endpoint that means no good', () => {
    /** What answers once a request has come; a function may go on for as long as it is listened to. */
    const answered = async (answer: string | ((socket: Socket) => void), timeoutMs = 5_000) => {
      const sockets = new Set<Socket>();
      const bad = createTcpServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.once('data', () => (typeof answer === 'string' ? socket.end(answer) : answer(socket)));
      });
      await new Promise<void>((resolve) => bad.listen(0, '127.0.0.1', resolve));
      try {
        return await send(`http://127.0.0.1:${(bad.address() as AddressInfo).port}/`, true, timeoutMs);
      } finally {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => bad.close(resolve));
      }
    };
    const every = (socket: Socket, text: string) => {
      const more = setInterval(() => socket.write(text), 5);
      socket.on('close', () => clearInterval(more));
    };

    it('keeps the status and nothing else that it says', async () => {
      for (const text of HOSTILE_TEXTS) {
        const line = text.replace(/[\r\n]/g, '');
        const outcome = await answered(
          `HTTP/1.1 500 ${line}\r\nlocation: ${line}\r\nretry-after: ${line}\r\nx: ${line}\r\n\r\n${text}`,
        );
        const told = outcome.kind === 'failed' ? outcome.error : '';
        expect(told).toMatch(/^(HTTP 500|(Error: )?Parse Error: [\w ]+)$/);
        expect(told).not.toMatch(HIDDEN_TEXT);
      }
      const away = await answered('HTTP/1.1 302 x\r\nlocation: http://169.254.169.254/latest/\r\n\r\n');
      expect(away).toEqual({ kind: 'failed', status: 302, error: 'HTTP 302: redirects are not followed' });
    });

    it('takes no more headers than a server sends, and waits no longer than for others', async () => {
      expect(await answered(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`)).toMatchObject({
        error: expect.stringMatching(/overflow/i),
      });
      const late = { kind: 'failed', error: 'no answer within 0.5 s' };
      expect(await answered((socket) => every(socket, 'H'), 500)).toMatchObject({ kind: 'failed' });
      expect(await answered((socket) => every(socket, 'HTTP/1.1 102 Processing\r\n\r\n'), 500)).toEqual(late);
      const drip = (socket: Socket) => {
        socket.write('HTTP/1.1 200 OK\r\n');
        let n = 0;
        const more = setInterval(() => socket.write(`x${n++}: y\r\n`), 20);
        socket.on('close', () => clearInterval(more));
      };
      expect(await answered(drip, 500)).toEqual(late);
    });
  });
});

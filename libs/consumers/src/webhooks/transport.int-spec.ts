import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemTimers } from '#kernel';
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
});

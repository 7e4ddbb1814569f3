import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compiledCopy } from './testing/compiled-copy.js';
import { startProcess } from './testing/platform-process.js';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'drover-stop-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const opened = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });
const said = (output: () => string, text: string): Promise<void> =>
  new Promise((resolve) => {
    const poll = setInterval(() => {
      if (!output().includes(text)) return;
      clearInterval(poll);
      resolve();
    }, 20);
  });

/** A tool call whose body has been sent by half. */
const halfSent = (url: string, token: string, name: string) => {
  const body = JSON.stringify({ name });
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  const sent = request(`${url}/api/v1/tools/system_create_template`, { method: 'POST', headers });
  const answer = new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    sent.on('error', reject);
    sent.on('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
  });
  sent.write(body.slice(0, 4));
  return { answer, finish: () => sent.end(body.slice(4)) };
};

/** Past 10 s the platform gives up and ends with code 1 (main.ts), so code 0 says that it took less. */
it('drains what is under way on SIGTERM and ends with 0, whoever holds on to it', async () => {
  const drover = startProcess(compiledCopy().root, { DROVER_DATA_DIR: dataDir, DROVER_HTTP_ADDR: '127.0.0.1:0' });
  try {
    const url = await drover.ready();
    const token = readFileSync(join(dataDir, 'admin.token'), 'utf8').trim();
    const headers = { authorization: `Bearer ${token}` };
    // Who never lets go: a stream of events, a client that sends nothing, connections on both gRPC ports, half a call.
    const stream = await fetch(`${url}/events`, { headers: { ...headers, accept: 'text/event-stream' } });
    expect(stream.status).toBe(200);
    const streamEnded = stream.text().then(
      () => true,
      () => true,
    );
    const grpc = [...drover.output().matchAll(/"address":"127\.0\.0\.1:(\d+)"/g)].map(([, port]) => Number(port));
    expect(grpc).toHaveLength(2);
    const silent = await Promise.all([Number(new URL(url).port), ...grpc].map(opened));
    for (const socket of silent) socket.on('error', () => undefined);
    const abandoned = halfSent(url, token, 'never-finished');
    const finished = halfSent(url, token, 'drained');
    await fetch(`${url}/healthz`);

    drover.child.kill('SIGTERM');
    await said(drover.output, 'a second signal stops at once');
    finished.finish();
    const answer = await finished.answer;
    expect(answer).toMatchObject({ status: 200, text: expect.stringContaining('"success":true') });
    await expect(abandoned.answer).rejects.toThrow();
    expect(await drover.exited).toEqual({ code: 0, signal: null });
    expect(await streamEnded).toBe(true);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
    for (const socket of silent) socket.destroy();
  } finally {
    drover.child.kill('SIGKILL');
    await drover.exited;
  }
});

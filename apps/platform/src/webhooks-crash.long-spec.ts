import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep, systemTimers } from '#kernel';
import { testDatabase, type TestDatabase } from '#event-store';
import { compiledCopy } from './testing/compiled-copy.js';
import { startProcess, type PlatformProcess } from './testing/platform-process.js';

/** Two platform processes on one database, a webhook, and kill -9 of the one that delivers. */
describe('webhooks when the platform process that delivers is killed', () => {
  let root: string;
  let database: TestDatabase;
  let endpoint: Server;
  const dataDir = mkdtempSync(join(tmpdir(), 'drover-hooks-'));
  const processes: PlatformProcess[] = [];
  /** Of each request, in order of arrival. */
  const received: { readonly id: string; readonly stream: string }[] = [];

  beforeAll(async () => {
    root = compiledCopy().root;
    database = await testDatabase();
    endpoint = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const { stream } = JSON.parse(body) as { stream: string };
        received.push({ id: String(request.headers['webhook-id']), stream });
        // Slow enough that a kill finds one on its way.
        setTimeout(() => response.writeHead(204).end(), 15);
      });
    });
    await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    for (const { child, exited } of processes) {
      child.kill('SIGKILL');
      await exited;
    }
    endpoint.closeAllConnections();
    endpoint.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const start = async () => {
    const process = startProcess(root, {
      DROVER_DATA_DIR: dataDir,
      DROVER_HTTP_ADDR: '127.0.0.1:0',
      DATABASE_URL: database.connectionString,
      DROVER_WEBHOOK_ALLOW_PRIVATE: 'yes',
    });
    processes.push(process);
    return { process, url: await process.ready() };
  };
  const call = async <T>(url: string, name: string, args: object): Promise<T> => {
    const token = readFileSync(join(dataDir, 'admin.token'), 'utf8').trim();
    const response = await fetch(`${url}/api/v1/tools/${name}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(args),
    });
    const body = (await response.json()) as { success: boolean; data: T };
    if (!body.success) throw new Error(JSON.stringify(body));
    return body.data;
  };
  const created: string[] = [];
  const createTemplates = async (url: string, count: number) => {
    for (let n = 0; n < count; n++) {
      const args = { name: `t-${created.length}` };
      const { template } = await call<{ template: { id: string } }>(url, 'system_create_template', args);
      created.push(template.id);
    }
  };
  const delivered = () => [...new Map(received.map(({ id, stream }) => [id, stream])).values()];

  it('lose no event and keep the order; what is sent twice bears the same webhook-id', async () => {
    const first = await start();
    const { port } = endpoint.address() as AddressInfo;
    const hook = { name: 'crash', url: `http://127.0.0.1:${port}/`, kind_prefix: 'system.template.created' };
    const { webhook } = await call<{ webhook: { id: string } }>(first.url, 'system_create_webhook', hook);
    const second = await start();
    await createTemplates(first.url, 30);
    first.process.child.kill('SIGKILL');
    await createTemplates(second.url, 20);
    while (delivered().length < created.length) await sleep(systemTimers, 20);
    expect(delivered()).toEqual(created);
    const repeated = received.length - created.length;
    // At most the one that was on its way.
    expect(repeated).toBeLessThanOrEqual(1);
    const args = { webhook_id: webhook.id };
    let state: { webhook: { delivered: number } };
    do state = await call(second.url, 'system_get_webhook', args);
    while (state.webhook.delivered < created.length && (await sleep(systemTimers, 20)) === undefined);
    expect(state.webhook.delivered).toBe(created.length);
  });
});

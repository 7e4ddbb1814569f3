import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jest } from '@jest/globals';
import { sleep, systemIds, systemTimers } from '#kernel';
import { EnvelopeSecretStore } from '#access';
import { isSigned, type ConsumerEvent } from '#consumers';
import { startTestPlatform, type TestPlatform } from './testing/test-platform.js';

interface Received {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly event: ConsumerEvent;
}

/** A real endpoint that answers as the test says. */
class Endpoint {
  readonly received: Received[] = [];
  answer: (received: Received) => { status: number; headers?: Record<string, string> } | 'hang' = () => ({
    status: 204,
  });
  private constructor(private readonly server: Server) {}

  static async open(): Promise<Endpoint> {
    const server = createServer();
    const endpoint = new Endpoint(server);
    server.on('request', (request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const received = { headers: request.headers, body, event: JSON.parse(body) as ConsumerEvent };
        endpoint.received.push(received);
        const answer = endpoint.answer(received);
        if (answer !== 'hang') response.writeHead(answer.status, answer.headers).end('x'.repeat(10_000));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return endpoint;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook?key=capability`;
  }

  async until(count: number): Promise<readonly Received[]> {
    while (this.received.length < count) await sleep(systemTimers, 10);
    return this.received;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

let drover: TestPlatform;
let endpoint: Endpoint;
beforeAll(async () => {
  drover = await startTestPlatform({ DROVER_WEBHOOK_ALLOW_PRIVATE: 'yes' });
});
afterAll(() => drover.stop());
beforeEach(async () => (endpoint = await Endpoint.open()));
afterEach(() => endpoint.close());

interface Hook {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly status: string;
  readonly delivered: number;
  readonly dead_letters: number;
  readonly last_error: string | null;
  readonly health: string;
}
const tool = async <T>(name: string, args: object): Promise<T> => {
  const { status, body } = await drover.rest(name, args);
  if (status !== 200) throw Object.assign(new Error(body.error.message), { status, error: body.error });
  return body.data as T;
};
const create = (args: object = {}) =>
  tool<{ webhook: Hook; secret: string }>('system_create_webhook', {
    name: `hook-${systemIds.uuid().slice(0, 8)}`,
    url: endpoint.url,
    kind_prefix: 'system.template',
    ...args,
  });
const get = async (id: string) => (await tool<{ webhook: Hook }>('system_get_webhook', { id })).webhook;
const createTemplate = async (): Promise<string> => {
  const made = await tool<{ template: { id: string } }>('system_create_template', { name: `t-${systemIds.uuid()}` });
  return made.template.id;
};
const until = async (holds: () => Promise<boolean>) => {
  while (!(await holds())) await sleep(systemTimers, 20);
};
const deadLetters = async (id: string) =>
  (
    await tool<{ dead_letters: { event_id: string; error: string; kind: string; attempts: number }[] }>(
      'system_list_webhook_dead_letters',
      { id },
    )
  ).dead_letters;

describe('a webhook', () => {
  it('gets what passes its filter from now on, in order, signed, with the event id as its own', async () => {
    await createTemplate();
    const { webhook, secret } = await create();
    const ids = [await createTemplate(), await createTemplate(), await createTemplate()];
    const received = await endpoint.until(3);
    expect(received.map(({ event }) => event.stream)).toEqual(ids);
    for (const { headers, body, event } of received) {
      expect(headers['webhook-id']).toBe(event.id);
      expect(headers['content-type']).toBe('application/json');
      const timestamp = Number(headers['webhook-timestamp']);
      expect(Math.abs(Date.now() / 1000 - timestamp)).toBeLessThan(60);
      expect(isSigned(secret, String(headers['webhook-signature']), event.id, timestamp, body)).toBe(true);
      expect(isSigned(secret, String(headers['webhook-signature']), event.id, timestamp, `${body} `)).toBe(false);
    }
    await until(async () => (await get(webhook.id)).delivered === 3);
    expect(await get(webhook.name)).toMatchObject({
      id: webhook.id,
      url: endpoint.url,
      status: 'active',
      dead_letters: 0,
    });
  });

  it('is tried again after failures, keeps the order meanwhile, and does not follow redirects', async () => {
    const { webhook } = await create();
    const answers = [500, 302];
    endpoint.answer = () => {
      const status = answers.shift() ?? 200;
      return { status, ...(status === 302 ? { headers: { location: `${endpoint.url}/elsewhere` } } : {}) };
    };
    const ids = [await createTemplate(), await createTemplate()];
    const received = await endpoint.until(4);
    expect(received.map(({ event }) => event.stream)).toEqual([ids[0], ids[0], ids[0], ids[1]]);
    expect(new Set(received.slice(0, 3).map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    await until(async () => (await get(webhook.id)).delivered === 2);
    expect((await get(webhook.id)).last_error).toBeNull();
  });

  it('gives an event up in the end, goes on with the next, and sends the dead letter again when asked', async () => {
    let broken = '';
    endpoint.answer = ({ event }) => ({ status: event.stream === broken ? 500 : 200 });
    const { webhook } = await create({ max_attempts: 1 });
    broken = await createTemplate();
    // The first may be sent before the test has named it; another template then.
    const next = await createTemplate();
    await until(async () => endpoint.received.some(({ event }) => event.stream === next));
    if ((await deadLetters(webhook.id)).length === 0) {
      endpoint.answer = () => ({ status: 500 });
      broken = await createTemplate();
      await until(async () => (await deadLetters(webhook.id)).length === 1);
    }
    const [letter] = await deadLetters(webhook.id);
    expect(letter).toMatchObject({ error: 'HTTP 500', kind: 'system.template.created', attempts: 1 });
    // last_error is gone with the next success, and that may have been already.
    expect(await get(webhook.id)).toMatchObject({ dead_letters: 1 });
    endpoint.answer = () => ({ status: 410 });
    await tool('system_redeliver_webhook', { id: webhook.id, event_ids: letter!.event_id });
    await until(async () => (await deadLetters(webhook.id))[0]?.error === 'HTTP 410');
    endpoint.answer = () => ({ status: 200 });
    expect(await tool('system_redeliver_webhook', { id: webhook.id })).toMatchObject({ requested: 1, outcome: 'done' });
    await until(async () => (await deadLetters(webhook.id)).length === 0);
    expect(endpoint.received.at(-1)!.event.stream).toBe(broken);
    expect(endpoint.received.at(-1)!.headers['webhook-id']).toBe(letter!.event_id);
  });

  it('that fails, gives events up and recovers says each once, however many tries that took', async () => {
    const { webhook } = await create({ max_attempts: 4, name: 'sick' });
    endpoint.answer = () => ({ status: 500 });
    await createTemplate();
    const news = async () =>
      (
        await tool<{ events: { kind: string; payload: Record<string, unknown>; severity: string }[] }>(
          'recent_events',
          {
            kind_prefix: 'system.webhook.',
            limit: 200,
          },
        )
      ).events
        .filter(({ payload }) => payload['webhook_id'] === webhook.id)
        .map(({ kind, payload, severity }) => [kind, severity, payload['attempts'] ?? payload['was']]);
    const warnings = async () => (await tool<{ warnings: string[] }>('platform_health', {})).warnings;
    await until(async () => (await get(webhook.id)).dead_letters === 1);
    await until(async () => (await warnings()).some((one) => one.includes('webhook sick')));
    expect((await get(webhook.id)).health).toBe('dead_lettering');
    endpoint.answer = () => ({ status: 200 });
    await tool('system_redeliver_webhook', { id: webhook.id });
    await until(async () => (await get(webhook.id)).health === 'well');
    expect(await news()).toEqual([
      ['system.webhook.created', 'info', undefined],
      ['system.webhook.failing', 'warning', 3],
      ['system.webhook.dead_lettered', 'high', 4],
      ['system.webhook.redelivery_requested', 'info', undefined],
      ['system.webhook.recovered', 'info', 'dead_lettering'],
    ]);
    expect((await warnings()).filter((one) => one.includes('webhook sick'))).toEqual([]);
  });

  it('whose endpoint hangs or is gone holds up no other', async () => {
    endpoint.answer = () => 'hang';
    const hanging = await create();
    const gone = await create({ url: 'http://127.0.0.1:1/gone' });
    const well = await Endpoint.open();
    await create({ url: well.url });
    const id = await createTemplate();
    expect((await well.until(1))[0]!.event.stream).toBe(id);
    await until(async () => (await get(gone.webhook.id)).status === 'retrying');
    expect((await get(gone.webhook.id)).last_error).toContain('ECONNREFUSED');
    await tool('system_delete_webhook', { id: gone.webhook.id });
    await tool('system_delete_webhook', { id: hanging.webhook.id });
    await well.close();
  });

  it('can be tried out with a ping', async () => {
    const { webhook, secret } = await create();
    expect(await tool('system_test_webhook', { id: webhook.id })).toMatchObject({ delivered: true, status: 204 });
    const [{ headers, body, event }] = (await endpoint.until(1)) as [Received];
    expect(event.kind).toBe('system.webhook.ping');
    const [id, timestamp] = [String(headers['webhook-id']), Number(headers['webhook-timestamp'])];
    expect(isSigned(secret, String(headers['webhook-signature']), id, timestamp, body)).toBe(true);
    endpoint.answer = () => ({ status: 503 });
    expect(await tool('system_test_webhook', { id: webhook.id })).toMatchObject({
      delivered: false,
      error: 'HTTP 503',
    });
  });

  it('is gone with its secret when it is deleted, and its name is free again', async () => {
    const { webhook } = await create({ name: 'short-lived' });
    await tool('system_delete_webhook', { name: 'short-lived' });
    await createTemplate();
    await expect(get(webhook.id)).rejects.toMatchObject({ status: 404 });
    await create({ name: 'short-lived' });
    const id = await createTemplate();
    await until(async () => endpoint.received.some(({ event }) => event.stream === id));
    expect(endpoint.received.map(({ event }) => event.stream)).toEqual([id]);
  });

  it('answers the same secret to a repeated call, and shows it nowhere else', async () => {
    const args = { name: 'repeated', idempotency_key: 'once', url: endpoint.url };
    const first = await create(args);
    const again = await create(args);
    expect([again.secret, again.webhook.id]).toEqual([first.secret, first.webhook.id]);
    const events = JSON.stringify(await tool('recent_events', { kind_prefix: 'system.webhook', limit: 50 }));
    const listed = JSON.stringify(await tool('system_list_webhooks', {}));
    for (const text of [events, listed]) expect(text).not.toContain(first.secret);
    expect(events).not.toContain('capability');
    await tool('system_delete_webhook', { id: first.webhook.id });
  });

  it('whose name is taken leaves no secret behind', async () => {
    await create({ name: 'taken' });
    const kept = jest.spyOn(EnvelopeSecretStore.prototype, 'put');
    await expect(create({ name: 'taken' })).rejects.toMatchObject({ status: 409, error: { field: 'name' } });
    expect(kept).not.toHaveBeenCalled();
    kept.mockRestore();
    await tool('system_delete_webhook', { name: 'taken' });
  });

  it.each([
    [{ url: 'ftp://example.com/x' }, 400, 'url'],
    [{ url: 'https://user:pass@example.com/x' }, 400, 'url'],
    [{ url: 'nonsense' }, 400, 'url'],
    [{ kind_prefix: 'system.tempalte' }, 400, 'kind_prefix'],
    [{ stream: 'pm_x-1' }, 400, 'stream'],
    [{ severity: 'hihg' }, 400, 'severity'],
    [{ max_attempts: 0 }, 400, 'max_attempts'],
  ])('is refused with %j', async (args, status, field) => {
    await expect(create(args)).rejects.toMatchObject({ status, error: { field } });
  });
});

import pg from 'pg';
import { deterministicUuid } from '#kernel';
import { position, testDatabase } from '#event-store';
import { FencedError } from '#processing';
import { MemoryWebhookRows } from './memory-rows.js';
import { PostgresWebhookRows } from './postgres-rows.js';
import type { WebhookRows } from './rows.js';

const adapters: [string, () => Promise<{ rows: WebhookRows; close(): Promise<void> }>][] = [
  ['in memory', async () => ({ rows: new MemoryWebhookRows(), close: async () => undefined })],
  [
    'on Postgres',
    async () => {
      const { connection } = await testDatabase();
      const pool = new pg.Pool({ ...connection, max: 2 });
      return { rows: new PostgresWebhookRows(pool), close: () => pool.end() };
    },
  ],
];

const event = (n: number) => deterministicUuid('letter', n);
const letter = (n: number) => ({
  eventId: event(n),
  position: position(n),
  kind: 'system.x',
  attempts: 3,
  error: 'HTTP 500',
  deadMs: 1_000,
});

describe.each(adapters)('what webhooks have delivered, %s', (_, open) => {
  let rows: WebhookRows;
  let close: () => Promise<void>;
  beforeAll(async () => ({ rows, close } = await open()));
  afterAll(() => close());

  it('starts where it is told, and goes on where it was', async () => {
    expect(await rows.open('webhook-a', position(7), 1)).toMatchObject({ position: 7n, attempts: 0, delivered: 0 });
    await rows.advance('webhook-a', position(9), { delivered: 2, nowMs: 5_000 }, 1);
    await rows.failed('webhook-a', { attempts: 2, nextAttemptMs: 9_000, error: 'HTTP 500\0', nowMs: 6_000 }, 1);
    expect(await rows.open('webhook-a', position(7), 2)).toMatchObject({
      position: 9n,
      attempts: 2,
      nextAttemptMs: 9_000,
      delivered: 2,
      lastDeliveredMs: 5_000,
      lastFailedMs: 6_000,
    });
  });

  it('takes nothing from a process that has been replaced', async () => {
    const old = 1;
    await expect(rows.open('webhook-a', position(7), old)).rejects.toThrow(FencedError);
    await expect(rows.advance('webhook-a', position(10), { delivered: 1, nowMs: 0 }, old)).rejects.toThrow(FencedError);
    await expect(rows.bury('webhook-a', letter(10), old)).rejects.toThrow(FencedError);
    const failure = { attempts: 1, nextAttemptMs: 0, error: 'x', nowMs: 0 };
    await expect(rows.failed('webhook-a', failure, old)).rejects.toThrow(FencedError);
    expect(await rows.state('webhook-a')).toMatchObject({ position: 9n, deadLetters: 0 });
  });

  it('buries an event and goes on behind it in one step, and lists the dead in order', async () => {
    for (const n of [12, 11, 13]) await rows.bury('webhook-a', letter(n), 2);
    expect(await rows.state('webhook-a')).toMatchObject({ attempts: 0, deadLetters: 3, lastError: 'HTTP 500' });
    const first = await rows.letters('webhook-a', { limit: 2 });
    expect(first.map((l) => l.eventId)).toEqual([event(11), event(12)]);
    const rest = await rows.letters('webhook-a', { limit: 2, after: first.at(-1)!.position });
    expect(rest.map((l) => l.eventId)).toEqual([event(13)]);
  });

  it('does what a request asks once, however often the log is read again', async () => {
    await rows.request('webhook-a', [event(11), event(12)], position(20));
    expect((await rows.requested('webhook-a')).map((l) => l.eventId)).toEqual([event(11), event(12)]);
    await rows.redelivered('webhook-a', event(11), undefined, 2);
    await rows.redelivered('webhook-a', event(12), 'HTTP 410', 2);
    await rows.request('webhook-a', [event(11), event(12)], position(20));
    expect(await rows.requested('webhook-a')).toEqual([]);
    expect(await rows.letters('webhook-a', { limit: 9 })).toMatchObject([
      { eventId: event(12), error: 'HTTP 410', attempts: 4 },
      { eventId: event(13) },
    ]);
    await rows.request('webhook-a', [event(12)], position(21));
    expect(await rows.requested('webhook-a')).toHaveLength(1);
  });

  it('is gone with its dead letters when it is removed', async () => {
    await rows.remove('webhook-a');
    expect(await rows.state('webhook-a')).toBeUndefined();
    expect(await rows.letters('webhook-a', { limit: 9 })).toEqual([]);
  });
});

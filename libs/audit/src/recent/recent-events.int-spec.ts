import pg from 'pg';
import { deterministicUuid, systemClock } from '#kernel';
import { MemoryEventStore, START, testEventStore, type EventStore, type Position } from '#event-store';
import { PostgresRecentEvents } from './postgres-recent-events.js';
import { LogRecentEvents, type RecentEvents } from './recent-events.js';

const account = (name: string) => `account-${name}`;

const append = (store: EventStore, stream: string, type: string, topics: string[] = [], of = 'a') =>
  store.append({
    stream,
    expected: 'any',
    events: [
      {
        id: deterministicUuid('test', stream, type, of),
        type,
        schemaVersion: 1,
        data: { text: `"system.sdwan in a payload is no kind` },
        meta: {
          accountId: account(of),
          actor: { kind: 'operator', id: 'op' },
          commandId: 'c',
          correlationId: 'corr',
          causationId: 'c',
          occurredAt: '2026-01-01T00:00:00.000Z',
          severity: 'info',
          links: { cluster: 'cluster-1' },
          topics,
        },
      },
    ],
  });

/** Once the clock has passed this. */
const later = async (ms: number): Promise<void> => {
  while (systemClock.wallMs() <= ms) await new Promise((resolve) => setTimeout(resolve, 1));
};

const fill = async (store: EventStore) => {
  await append(store, 'node-1', 'system.node.created');
  await append(store, 'cluster-1', 'system.k3s.handshake.bootstrap');
  await append(store, 'virtual_ip-1', 'system.sdwan.virtual_ip.allocated', ['system.k3s.vip']);
  await append(store, 'cluster-2', 'system.k3s.handshake.ready', [], 'b');
  await append(store, 'pm_x-1', 'system.k3s.pm', []);
  await append(store, 'cluster-1', 'system.k3s.cluster.bootstrapped');
  await append(store, 'node-2', 'system.k3s_odd');
};

const stores: [string, () => Promise<{ store: EventStore; recent: RecentEvents; close(): Promise<void> }>][] = [
  [
    'over the port',
    async () => {
      const store = new MemoryEventStore(systemClock);
      return { store, recent: new LogRecentEvents(store), close: () => store.close() };
    },
  ],
  [
    'on Postgres',
    async () => {
      const { store, database } = await testEventStore();
      const pool = new pg.Pool({ ...database.connection, max: 2 });
      const close = async () => {
        await store.close();
        await pool.end();
      };
      return { store, recent: new PostgresRecentEvents(pool), close };
    },
  ],
];

describe.each(stores)('recent events %s', (_, open) => {
  let opened: Awaited<ReturnType<typeof open>>;
  beforeAll(async () => {
    opened = await open();
    await fill(opened.store);
  });
  afterAll(() => opened.close());
  const kinds = async (query: Partial<Parameters<RecentEvents['find']>[0]>) =>
    (await opened.recent.find({ accountId: account('a'), kindPrefix: '', limit: 50, ...query })).events.map(
      (e) => e.kind,
    );

  it('are the newest of the account, oldest first, without the bookkeeping of process managers', async () => {
    expect(await kinds({ limit: 3 })).toEqual([
      'system.sdwan.virtual_ip.allocated',
      'system.k3s.cluster.bootstrapped',
      'system.k3s_odd',
    ]);
  });

  it('are found by kind and by topic, and by nothing else', async () => {
    expect(await kinds({ kindPrefix: 'system.k3s.' })).toEqual([
      'system.k3s.handshake.bootstrap',
      'system.sdwan.virtual_ip.allocated',
      'system.k3s.cluster.bootstrapped',
    ]);
    expect(await kinds({ kindPrefix: 'system.sdwan' })).toEqual(['system.sdwan.virtual_ip.allocated']);
    expect(await kinds({ kindPrefix: 'system.k3s_' })).toEqual(['system.k3s_odd']);
    expect(await kinds({ kindPrefix: 'k3s' })).toEqual([]);
  });

  it('are those up to a position, where one is given', async () => {
    const { through } = await opened.recent.find({ accountId: account('a'), kindPrefix: '', limit: 1 });
    expect(await kinds({ until: (through - 1n) as Position, limit: 2 })).toEqual([
      'system.sdwan.virtual_ip.allocated',
      'system.k3s.cluster.bootstrapped',
    ]);
    expect(await kinds({ until: 2n as Position, after: 0n as Position })).toEqual([
      'system.node.created',
      'system.k3s.handshake.bootstrap',
    ]);
    expect(await kinds({ until: (through + 9n) as Position, limit: 1 })).toEqual(['system.k3s_odd']);
  });

  it('are those recorded by a time, where one is given, whatever kind of thing they are about', async () => {
    const { events: all } = await opened.store.readAll(START, { limit: 50 });
    const before = Date.parse(all.at(-1)!.recordedAt);
    await later(before);
    await append(opened.store, 'approval-1', 'system.approval.asked');
    const added = (await opened.store.readAll(all.at(-1)!.position, { limit: 1 })).events[0]!;
    const until = { timeMs: Date.parse(added.recordedAt) };
    expect(await kinds({ until, limit: 2 })).toEqual(['system.k3s_odd', 'system.approval.asked']);
    expect(await kinds({ until: { timeMs: before }, limit: 1 })).toEqual(['system.k3s_odd']);
    expect(await kinds({ until, after: all.at(-1)!.position })).toEqual(['system.approval.asked']);
    expect(await kinds({ until: { timeMs: before }, after: all.at(-1)!.position })).toEqual([]);
    expect(await kinds({ until: { timeMs: 0 } })).toEqual([]);
  });

  it('can be followed without a gap or a repetition', async () => {
    const query = { accountId: account('a'), kindPrefix: 'system.k3s', limit: 1 };
    const { events, through } = await opened.recent.find(query);
    expect(events[0]).toMatchObject({
      kind: 'system.k3s_odd',
      correlation_id: 'corr',
      links: { cluster: 'cluster-1' },
    });
    await append(opened.store, 'cluster-9', 'system.k3s.one');
    await append(opened.store, 'cluster-9', 'system.k3s.two');
    const next = await opened.recent.find({ ...query, after: through });
    expect(next.events.map((e) => e.kind)).toEqual(['system.k3s.one']);
    const last = await opened.recent.find({ ...query, after: next.through });
    expect(last.events.map((e) => e.kind)).toEqual(['system.k3s.two']);
    const end = await opened.recent.find({ ...query, after: last.through });
    expect(end).toEqual({ events: [], through: last.through });
  });
});

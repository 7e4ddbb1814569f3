import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, systemTimers } from '#kernel';
import { selfSigned } from '../../../../../test/doubles/kurrentdb/certificate.js';
import { FakeKurrent, type FakeKurrentOptions } from '../../../../../test/doubles/kurrentdb/server.js';
import { collect, freshStream, newEvents, readWholeLog, request, takeEvents } from '../../contract/harness.js';
import { EventStoreUnavailableError, InvalidAppendError, START } from '../../port.js';
import { loadLibrary } from './client.js';
import { KurrentEventStore, type KurrentEventStoreOptions } from './kurrentdb-event-store.js';

const PASSWORD = 'n0t-f0r-l0gs';
const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const serve = async (options: FakeKurrentOptions = {}) => {
  const server = await FakeKurrent.start(options);
  closers.push(() => server.stop());
  return server;
};
const open = async (url: string, options: Partial<KurrentEventStoreOptions> = {}) => {
  const store = await KurrentEventStore.open({ url, patienceMs: 200, ...options });
  closers.push(() => store.close());
  return store;
};
const secured = async () => {
  const tls = await selfSigned();
  const dir = mkdtempSync(join(tmpdir(), 'drover-kurrent-'));
  closers.push(() => rmSync(dir, { recursive: true, force: true }));
  const ca = join(dir, 'ca.pem');
  writeFileSync(ca, tls.cert);
  const server = await serve({ tls, users: { admin: PASSWORD, clerk: PASSWORD } });
  const url = (login: string, option = `tlsCaFile=${encodeURIComponent(ca)}`) =>
    `kurrentdb://${login}@127.0.0.1:${server.port}?${option}`;
  return { server, url };
};
const problem = async (asked: Promise<unknown>): Promise<string> => {
  const error = await asked.then(
    () => new Error('it worked'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EventStoreUnavailableError);
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(PASSWORD);
  return (error as Error).message;
};

describe('says what is wrong, with the host and without the password, when', () => {
  it('the server is down', async () => {
    const server = await serve();
    const store = await open(`esdb://admin:${PASSWORD}@127.0.0.1:${server.port}?tls=false`);
    await server.kill();
    const refused = new RegExp(`^KurrentDB at 127.0.0.1:${server.port} cannot be used now: .*ECONNREFUSED`);
    expect(await problem(store.head())).toMatch(refused);
    expect(await problem(store.append(request(freshStream(), 'any', newEvents(1))))).toMatch(refused);
    expect(await problem(collect(store.readStream('node-1')))).toMatch(refused);
  });

  it('the server is busy', async () => {
    const server = await serve();
    const store = await open(server.url);
    server.faults.busy = true;
    expect(await problem(store.append(request(freshStream(), 'any', newEvents(1))))).toContain('Server Is Too Busy');
    expect(await problem(store.head())).toContain('Server Is Too Busy');
  });

  it('the password is wrong', async () => {
    const { url } = await secured();
    const store = await open(url('admin:wrong'));
    expect(await problem(store.head())).toMatch(/refuses user admin: name or password is wrong/);
    expect(await problem(store.append(request(freshStream(), 'any', newEvents(1))))).toMatch(/user admin/);
  });

  it('the user may not read $all', async () => {
    const { url } = await secured();
    const store = await open(url(`clerk:${PASSWORD}`));
    expect(await problem(store.head())).toMatch(/refuses user clerk: Drover must read \$all .* \$admins/);
  });

  it('its certificate is not trusted, or one side speaks TLS and the other does not', async () => {
    const { server, url } = await secured();
    const untrusting = await open(url(`admin:${PASSWORD}`, 'tls=true'));
    expect(await problem(untrusting.head())).toMatch(/cannot be trusted: .*certificate.*tlsCaFile=PATH/);
    const plain = await open(`kurrentdb://127.0.0.1:${server.port}?tls=false`);
    expect(await problem(plain.head())).toContain(`KurrentDB at 127.0.0.1:${server.port} cannot be used now`);
    const insecure = await serve();
    const secure = await open(`kurrentdb://admin:${PASSWORD}@127.0.0.1:${insecure.port}`);
    expect(await problem(secure.head())).toMatch(/cannot be trusted.*tls=false speaks without TLS/);
  });

  it('the client is not installed', async () => {
    const absent = () => Promise.reject(new Error("Cannot find package '@kurrent/kurrentdb-client'"));
    await expect(loadLibrary(absent)).rejects.toThrow(ConfigError);
    await expect(loadLibrary(absent)).rejects.toThrow(/npm ci without --omit=optional.*Cannot find package/);
  });
});

it('works over TLS with credentials, on a cluster that is discovered, and on servers that have no batches', async () => {
  const { server, url } = await secured();
  const stores = [
    await open(url(`admin:${PASSWORD}`)),
    await open(url(`admin:${PASSWORD}`).replace('://', '+discover://')),
  ];
  const old = await serve({ batchAppend: false });
  stores.push(await open(old.url), await open(`kurrentdb://127.0.0.1:${old.port},127.0.0.1:${old.port}?tls=false`));
  for (const store of stores) {
    const stream = freshStream();
    expect(await store.append(request(stream, 'no_stream', newEvents(2)))).toMatchObject({ kind: 'appended' });
    expect(await collect(store.readStream(stream))).toHaveLength(2);
    expect((await takeEvents(store, START, 2)).length).toBeGreaterThanOrEqual(2);
  }
  expect(server.log.records.filter((record) => record.stream.startsWith('drover.'))).toHaveLength(4);
});

it('writes once and says so when the answer is lost, or never comes', async () => {
  const server = await serve();
  const store = await open(server.url, { patienceMs: 60_000, deadlineMs: 500 });
  const stream = freshStream();
  server.faults.loseAnswers = 1;
  expect(await store.append(request(stream, 'no_stream', newEvents(2)))).toMatchObject({
    kind: 'appended',
    version: 2,
  });
  server.faults.swallowAppends = 1;
  expect(await store.append(request(stream, 'any', newEvents(1)))).toMatchObject({ kind: 'appended', version: 3 });
  expect(await collect(store.readStream(stream))).toHaveLength(3);
});

it('two processes that send one append at the same time: it is there once, and one of them is told so', async () => {
  const server = await serve();
  const [one, two] = [await open(server.url), await open(server.url)];
  for (let round = 0; round < 20; round++) {
    const append = request(freshStream(), 'no_stream', newEvents(2));
    const outcomes = await Promise.all([one.append(append), two.append(append)]);
    expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual(['appended', 'duplicate']);
    expect(await collect(one.readStream(append.stream))).toHaveLength(2);
  }
});

it('appends and subscriptions outlast a server that goes away: nothing lost, nothing twice', async () => {
  const server = await serve();
  const store = await open(server.url, { patienceMs: 60_000 });
  const [all, nodes] = [takeEvents(store, START, 60), takeEvents(store, START, 30, { categories: ['node'] })];
  for (let n = 0; n < 60; n++) {
    if (n % 20 === 10) await server.kill();
    if (n % 20 === 10) systemTimers.after(100, () => void server.restart());
    await store.append(request(freshStream(n % 2 ? 'node' : 'cluster'), 'no_stream', newEvents(1)));
  }
  const log = await readWholeLog(store, START);
  expect(log).toHaveLength(60);
  expect((await all).map((e) => e.id)).toEqual(log.map((e) => e.id));
  expect((await nodes).map((e) => e.id)).toEqual(log.filter((e) => e.stream.startsWith('node-')).map((e) => e.id));
});

it("sees no system events and no other tenant's, and moves past them", async () => {
  const server = await serve();
  const [ours, theirs] = [await open(server.url), await open(server.url, { namespace: 'drover_2' })];
  for (let n = 0; n < 5; n++) {
    server.systemEvent();
    await ours.append(request(freshStream('cluster'), 'any', newEvents(1)));
    server.systemEvent('$$drover.node-1', '$metadata');
    await theirs.append(request(freshStream(), 'any', newEvents(3)));
  }
  const log = await readWholeLog(ours, START);
  expect(log).toHaveLength(5);
  expect(await ours.head()).toBe(log.at(-1)!.position);
  const nothing = await ours.readAll(START, { limit: 10, categories: ['node'] });
  expect(nothing).toEqual({ events: [], through: await ours.head() });
  // A subscription that gets nothing comes to the head all the same.
  const stop = new AbortController();
  for await (const batch of ours.subscribe(START, { signal: stop.signal, categories: ['node'] })) {
    expect(batch.events).toEqual([]);
    if (batch.through === (await ours.head())) stop.abort();
  }
});

it('the time of recording does not go back with the clock of the server, however the event is read', async () => {
  const server = await serve();
  const [one, two] = [await open(server.url), await open(server.url)];
  const stream = freshStream();
  await one.append(request(stream, 'any', newEvents(1)));
  server.faults.clockOffsetMs = -3_600_000;
  await one.append(request(stream, 'any', newEvents(1)));
  await two.head();
  await two.append(request(stream, 'any', newEvents(1)));
  const times = (await collect(one.readStream(stream))).map((e) => e.recordedAt);
  expect(times).toEqual([times[0], times[0], times[0]]);
  expect((await readWholeLog(two, START)).map((e) => e.recordedAt)).toEqual(times);
  expect((await takeEvents(two, START, 3)).map((e) => e.recordedAt)).toEqual(times);
});

it('holds little of what a slow consumer has not taken: the server waits', async () => {
  const server = await serve();
  const store = await open(server.url);
  const text = 'x'.repeat(200_000);
  for (let n = 0; n < 100; n++) await store.append(request(freshStream(), 'any', newEvents(1, { text })));
  server.eventsSent = 0;
  const slow = store.subscribe(START, { signal: new AbortController().signal, batchSize: 5 })[Symbol.asyncIterator]();
  expect((await slow.next()).done).toBe(false);
  await new Promise((resolve) => systemTimers.after(300, () => resolve(undefined)));
  expect(server.eventsSent).toBeLessThan(50);
  await slow.return!();
});

it('an append that the server finds too large is refused for good, and the limit can be asked for', async () => {
  const server = await serve({ maxAppendBytes: 100_000 });
  const store = await open(server.url);
  const large = request(freshStream(), 'any', newEvents(1, { text: 'x'.repeat(100_000) }));
  await expect(store.append(large)).rejects.toThrow(InvalidAppendError);
  await expect(store.append(large)).rejects.toThrow(/MaxAppendSize 100000\); raise MaxAppendSize/);
  expect(await store.tooSmallFor(200_000)).toBe(100_000);
  expect(await store.tooSmallFor(50_000)).toBeUndefined();
  expect(await store.head()).toBe(START);
});

it("an event that is not Drover's stops who reads it, and says where it is", async () => {
  const server = await serve();
  const store = await open(server.url);
  const foreign = { id: '00000000-0000-4000-8000-000000000001', type: 'note', contentType: 'application/json' };
  server.log.write('drover.node-1', 'any', [{ ...foreign, data: Buffer.from('{}'), metadata: Buffer.alloc(0) }]);
  await expect(store.readAll(START, { limit: 1 })).rejects.toThrow(
    /event 0 of stream drover.node-1 \(note, position \d+\)/,
  );
  await expect(takeEvents(store, START, 1)).rejects.toThrow(/is not Drover's/);
});

it('reads large events by pages of some megabytes, and all of them', async () => {
  const server = await serve({ maxAppendBytes: 4 * 1024 * 1024 });
  const store = await open(server.url);
  const stream = freshStream();
  const events = newEvents(12, { text: 'x'.repeat(900_000) });
  for (let n = 0; n < events.length; n += 3)
    await store.append(request(stream, n === 0 ? 'no_stream' : n, events.slice(n, n + 3)));
  const ids = events.map(({ id }) => id);
  const newest = await store.readBackwards(undefined, 100);
  expect(newest.length).toBeGreaterThan(1);
  expect(newest.length).toBeLessThan(events.length);
  const rest = await store.readBackwards(newest.at(-1)!.position, 100);
  expect([...newest, ...rest].map(({ id }) => id).reverse()).toEqual(ids);
  expect((await collect(store.readStream(stream))).map(({ id }) => id)).toEqual(ids);
  // Another process, which must find the last id beyond the first page.
  const other = await open(server.url);
  expect(await other.append(request(stream, 'any', events.slice(11)))).toMatchObject({
    kind: 'duplicate',
    version: 12,
  });
});

import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import pg from 'pg';
import { sleep, systemTimers } from '#kernel';
import { testDatabase } from '#event-store';
import { CutOffError } from '../../host/leader.js';
import { until } from '../../testing/host-fixture.js';
import { PostgresLeaderLock } from './postgres-leader-lock.js';

const LEASE = { leaseMs: 500, beatMs: 50 };
/** Long enough that who beats keeps it through a pause of the whole machine. */
const LONG = { leaseMs: 2_500, beatMs: 50 };
const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const poolOn = (config: pg.PoolConfig): pg.Pool => {
  const pool = new pg.Pool({ ...config, max: 2 });
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  closers.push(() => pool.end());
  return pool;
};

/** A way to the server that can fall silent, without an end or a reset, as a network does. */
const longWay = async ({ host, port }: { host: string; port: number }) => {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy()).pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const fallSilent = () => {
    for (const socket of sockets) socket.unpipe().pause();
  };
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port, fallSilent };
};

it('a leader whose network falls silent finds out by itself, and another one leads', async () => {
  const { connection, drop } = await testDatabase();
  closers.push(drop);
  const { host, port, user, database, password } = new pg.Client(connection);
  const { fallSilent, ...way } = await longWay({ host, port });
  const credentials = { ...(user && { user }), ...(database && { database }), ...(password && { password }) };
  const mine = new PostgresLeaderLock(poolOn({ ...way, ...credentials }), 'test', LEASE);
  const other = new PostgresLeaderLock(poolOn(connection), 'test', LEASE);
  const leadership = (await mine.tryLead())!;
  fallSilent();
  await until('it knows', () => leadership.lost.aborted);
  expect(leadership.lost.reason).toBeInstanceOf(CutOffError);
  let next: Awaited<ReturnType<typeof other.tryLead>>;
  await until('another leads', async () => (next = await other.tryLead()) !== undefined);
  expect(next!.epoch).toBeGreaterThan(leadership.epoch);
  await next!.release();
  await leadership.release();
});

it('a process that stopped between the lock and the lease does not keep the lead, one that beats does', async () => {
  const { connection, drop } = await testDatabase();
  closers.push(drop);
  const lock = new PostgresLeaderLock(poolOn(connection), 'test', LONG);
  const first = (await lock.tryLead())!;
  await first.release();
  // The lease still names the one before, as after a crash.
  const stopped = await poolOn(connection).connect();
  await stopped.query(`INSERT INTO processing.lease VALUES ('test', $1, 1, now() - interval '1 hour')`, [first.epoch]);
  await stopped.query('SELECT pg_advisory_lock(7203117)');
  expect(await lock.tryLead()).toBeUndefined();
  let next: Awaited<ReturnType<typeof lock.tryLead>>;
  await until('another leads', async () => (next = await lock.tryLead()) !== undefined);
  stopped.release(true);
  const waiting = new PostgresLeaderLock(poolOn(connection), 'test', LONG);
  for (let waitedMs = 0; waitedMs < LONG.leaseMs + 500; waitedMs += 50) {
    expect(await waiting.tryLead()).toBeUndefined();
    await sleep(systemTimers, 50);
  }
  expect(next!.lost.aborted).toBe(false);
  await next!.release();
});

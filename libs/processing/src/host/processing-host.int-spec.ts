import { sleep, systemClock, systemTimers } from '#kernel';
import { closed, doorman, doors, openDoor, typesIn } from '../testing/doors.js';
import { BOUND_MS, doorHost, until } from '../testing/host-fixture.js';
import { hostSuite } from '../testing/host-suite.js';
import { postgresGround } from '../testing/postgres-ground.js';
import type { ProcessManager } from '../process-manager.js';
import { postgresStorage } from './storage.js';

hostSuite('Postgres', async () => {
  const { store, pool, close } = await postgresGround();
  return { store, storage: postgresStorage(pool), close };
});

const leading = async () => {
  const ground = await postgresGround();
  const storage = postgresStorage(ground.pool);
  const made = doorHost({ store: ground.store, storage, managers: [doorman(0) as unknown as ProcessManager] });
  await made.host.start();
  await until('leads', async () => (await made.host.status()).role === 'leading');
  const close = async () => {
    await made.host.stop();
    await ground.close();
  };
  return { ...ground, ...made, storage, close };
};

describe('a leader on Postgres', () => {
  it('stops when a later epoch has claimed what it writes, and takes the lead again in an epoch of its own', async () => {
    const { host, storage, pool, transactor, close } = await leading();
    const { epoch } = await host.status();
    // As if its lock had been lost without notice and another process had led meanwhile.
    await pool.query('UPDATE processing.leader SET epoch = epoch + 1');
    await pool.query('UPDATE processing.projections SET epoch = epoch + 1');
    await pool.query('UPDATE processing.checkpoints SET epoch = epoch + 1');
    const at = await openDoor(transactor, 'front', systemClock.wallMs());
    await until('a later epoch', async () => ((await host.status()).epoch ?? 0) > epoch! + 1);
    expect(await host.waitFor(at, ['doors'], BOUND_MS)).toBe('current');
    expect(await storage.readModels.get(doors, 'front')).toMatchObject({ times: 1 });
    await close();
  });

  it('notices that the session with its lock was cut, and goes on in a new one', async () => {
    const { host, store, pool, transactor, close } = await leading();
    const { epoch } = await host.status();
    const { rowCount } = await pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    expect(rowCount).toBe(1);
    await until('a later epoch', async () => ((await host.status()).epoch ?? 0) > epoch!);
    const at = await openDoor(transactor, 'front', systemClock.wallMs());
    expect(await host.waitFor(at, ['doors'], BOUND_MS)).toBe('current');
    await until('closed', async () => (await typesIn(store, 'door-front')).includes(closed.type));
    await close();
  });

  it('goes on while a snapshot keeps a table from being switched away, and switches when that is closed', async () => {
    const { host, transactor, close } = await leading();
    await openDoor(transactor, 'front', systemClock.wallMs());
    const snapshot = await host.snapshot();
    const rebuilt = host.rebuild('doors');
    const tables = async () => (await host.projectionReports()).filter(({ name }) => name === 'doors');
    await until('built beside', async () => (await tables()).length === 2);
    for (const door of ['a', 'b', 'c', 'd', 'e']) {
      const at = await openDoor(transactor, door, systemClock.wallMs());
      expect(await host.waitFor(at, ['doors'], BOUND_MS)).toBe('current');
      expect(await host.readModels.get(doors, door)).toBeDefined();
      await sleep(systemTimers, 150);
    }
    expect([(await tables()).length, (await host.status()).faults]).toEqual([2, []]);
    await snapshot.close();
    await rebuilt;
    expect(await tables()).toMatchObject([{ isRead: true }]);
    expect(await host.readModels.find(doors)).toHaveLength(6);
    await close();
  });

  it('sends a command after each event that asks for it', async () => {
    const { store, transactor, close } = await leading();
    const took: number[] = [];
    for (let i = 0; i < 25; i++) {
      await openDoor(transactor, `d${i}`, systemClock.wallMs());
      const from = systemClock.monotonicMs();
      // Timer and command follow the event: two inbox appends and a command's own.
      while ((await typesIn(store, `door-d${i}`)).length < 2) await new Promise((resolve) => setImmediate(resolve));
      took.push(systemClock.monotonicMs() - from);
    }
    took.sort((a, b) => a - b);
    console.info(`event to command's event: median ${took[12]!.toFixed(1)} ms, worst ${took.at(-1)!.toFixed(1)} ms`);
    expect(await typesIn(store, 'door-d24')).toEqual(['system.door.opened', closed.type]);
    await close();
  });
});

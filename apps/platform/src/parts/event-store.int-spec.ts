import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testDatabase } from '#event-store';
import { parseConfig, silentLog } from '#kernel';
import { openStore } from './event-store.js';

it('a connection that is lost while it is lent out fails the next query, and not the process', async () => {
  const { connectionString } = await testDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), 'drover-store-'));
  const opened = await openStore(parseConfig({ DROVER_DATA_DIR: dataDir, DATABASE_URL: connectionString }), silentLog);
  const { pool } = opened.postgres!;
  const lent = await pool.connect();
  const ended = new Promise<void>((resolve) => lent.once('end', resolve));
  const { rows } = await lent.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  await pool.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
  await ended;
  await expect(lent.query('SELECT 1')).rejects.toThrow();
  lent.release(true);
  expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  await opened.close();
  await rm(dataDir, { recursive: true, force: true });
});

import { chmod, chown, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { systemTimers, sleep } from '#kernel';
import { DataDirInUseError } from './errors.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './launcher.js';
import { stopServer } from './server-process.js';
import { installForAnyone, ORDINARY_UID, startChild, type Installation } from './testing/child-process.js';

const isRoot = process.getuid?.() === 0;
let home: string;
let dataDir: string;
const running: EmbeddedPostgres[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'drover-embedded-'));
  dataDir = join(home, 'postgres');
});
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  await stopServer(join(dataDir, 'cluster'), systemTimers);
  await rm(home, { recursive: true, force: true });
});

const start = async (dir = dataDir): Promise<EmbeddedPostgres> => {
  const server = await startEmbeddedPostgres({ dataDir: dir });
  running.push(server);
  return server;
};

const query = async <R extends pg.QueryResultRow>(connection: pg.ClientConfig, sql: string): Promise<R[]> => {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query<R>(sql)).rows;
  } finally {
    await client.end();
  }
};
const write = (connection: pg.ClientConfig) =>
  query(connection, 'CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)');
const kept = async (connection: pg.ClientConfig) => (await query(connection, 'SELECT n FROM kept')).length;

describe('in this process', () => {
  it('starts on nothing, without TCP and not as root, and keeps its data between starts', async () => {
    const before = performance.now();
    const first = await start();
    const firstMs = performance.now() - before;
    expect(first.origin).toBe('started');
    await write(first.connection);
    expect(await query(first.connection, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '' }]);
    await expectNotRoot((await first.pid())!);
    await first.stop();
    expect(await first.pid()).toBeUndefined();

    const again = performance.now();
    const second = await start();
    const laterMs = performance.now() - again;
    console.log(`embedded Postgres: first start ${Math.round(firstMs)} ms, later ${Math.round(laterMs)} ms`);
    expect(await kept(second.connection)).toBe(1);
    expect(await query({ connectionString: second.connectionString }, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('comes back by itself with all its data after a kill -9', async () => {
    const server = await start();
    await write(server.connection);
    const pid = (await server.pid())!;
    process.kill(pid, 'SIGKILL');
    await eventually(async () => expect(await kept(server.connection)).toBe(1));
    expect(await server.pid()).not.toBe(pid);
  });

  it('refuses a second platform on the same data directory, and leaves the first alone', async () => {
    const server = await start();
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(DataDirInUseError);
    await write(server.connection);
  });

  it('of two platforms that start at once on an empty directory one wins and the other is refused', async () => {
    const settled = await Promise.allSettled([start(), start()]);
    expect(settled.map((s) => s.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((settled.find((s) => s.status === 'rejected') as PromiseRejectedResult).reason).toBeInstanceOf(
      DataDirInUseError,
    );
    expect((await readdir(dataDir)).filter((name) => name.startsWith('initdb-'))).toEqual([]);
  });

  it('refuses a data directory that another major version wrote, and says what to do', async () => {
    await mkdir(join(dataDir, 'cluster'), { recursive: true });
    await writeFile(join(dataDir, 'cluster', 'PG_VERSION'), '14\n');
    await expect(start()).rejects.toThrow(/written by Postgres 14.*brings Postgres 18.*export/s);
  });

  it('says what went wrong when the server cannot start', async () => {
    const server = await start();
    await server.stop();
    await writeFile(join(dataDir, 'cluster', 'postgresql.conf'), 'nonsense = on\n', { flag: 'a' });
    await expect(start()).rejects.toThrow(/does not start.*nonsense/s);
  });

  it('moves its socket to a short private folder where the path is too long for one', async () => {
    const deep = join(home, 'x'.repeat(60), 'y'.repeat(60));
    const server = await start(deep);
    expect(server.connection.host).toMatch(/drover-pg-[0-9a-f]{16}$/);
    expect((await stat(server.connection.host)).mode & 0o777).toBe(0o700);
    await write(server.connection);
    await server.stop();
    await expect(stat(server.connection.host)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await kept((await start(deep)).connection)).toBe(1);
  });
});

describe('across processes', () => {
  let installation: Installation;
  beforeAll(async () => {
    installation = await installForAnyone();
  });
  afterAll(() => installation.remove());

  it('a server that outlived its killed platform is adopted with its data, and then stopped by its new owner', async () => {
    const child = await startChild(installation, dataDir);
    await write(child.started.connection);
    await child.kill();
    const adopted = await start();
    expect(adopted.origin).toBe('adopted');
    expect(await adopted.pid()).toBe(child.started.pid);
    expect(await kept(adopted.connection)).toBe(1);
    await adopted.stop();
    expect(await adopted.pid()).toBeUndefined();
  });

  it('recovers after platform and server were both killed', async () => {
    const child = await startChild(installation, dataDir);
    await write(child.started.connection);
    process.kill(child.started.pid, 'SIGKILL');
    await child.kill();
    const server = await start();
    expect(await kept(server.connection)).toBe(1);
  });

  it('refuses while another process owns the directory, and starts once that one has stopped', async () => {
    const child = await startChild(installation, dataDir);
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(/in use by another running Drover/);
    await child.stop();
    expect((await start()).origin).toBe('started');
  });

  it('runs for an ordinary user, from a package whose postinstall never ran', async () => {
    if (!needsRoot('runs for an ordinary user')) return;
    await mkdir(dataDir);
    await chown(dataDir, ORDINARY_UID, ORDINARY_UID);
    await chmod(home, 0o755);
    const child = await startChild(installation, dataDir, ORDINARY_UID);
    expect(await uidOf(child.started.pid)).toBe(ORDINARY_UID);
    expect((await readdir(join(dataDir, 'lib'))).length).toBeGreaterThan(5);
    // Root may look in, since it may read everything; others may not.
    await write(child.started.connection);
    await child.stop();
    const again = await startChild(installation, dataDir, ORDINARY_UID);
    expect(await kept(again.started.connection)).toBe(1);
    await again.stop();
  });

  it('started by root on the directory of an ordinary user it runs as that user and leaves the files theirs', async () => {
    if (!needsRoot('started by root on the directory of an ordinary user')) return;
    await mkdir(dataDir);
    await chown(dataDir, ORDINARY_UID, ORDINARY_UID);
    await chmod(home, 0o755);
    const child = await startChild(installation, dataDir, ORDINARY_UID);
    await write(child.started.connection);
    await child.stop();
    const asRoot = await startChild(installation, dataDir);
    expect(await uidOf(asRoot.started.pid)).toBe(ORDINARY_UID);
    expect(await kept(asRoot.started.connection)).toBe(1);
    await asRoot.stop();
    const back = await startChild(installation, dataDir, ORDINARY_UID);
    expect(await kept(back.started.connection)).toBe(1);
    await back.stop();
  });
});

/** True as root. Otherwise says loudly what was not tested; an error where everything is required. */
const needsRoot = (what: string): boolean => {
  if (isRoot) return true;
  if (process.env.DROVER_REQUIRE_REAL === '1') throw new Error(`"${what}" needs root to become another user`);
  console.warn(`NOT TESTED: "${what}": it needs root to become another user`);
  return false;
};

const uidOf = async (pid: number): Promise<number> =>
  Number(/^Uid:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]);

/** Either another uid, or root's uid in a user namespace of its own, where it is an ordinary one. */
const expectNotRoot = async (pid: number): Promise<void> => {
  if ((await uidOf(pid)) !== 0) return;
  const map = (await readFile(`/proc/${pid}/uid_map`, 'utf8')).trim().split(/\s+/);
  expect(map).toEqual(['1000', '0', '1']);
};

const eventually = async (check: () => Promise<void>): Promise<void> => {
  for (let attempt = 0; ; attempt++) {
    try {
      return await check();
    } catch (error) {
      if (attempt >= 100) throw error;
      await sleep(systemTimers, 100);
    }
  }
};

import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import {
  armFailpoints,
  EventCatalogue,
  FailpointReached,
  silentLog,
  systemClock,
  systemIds,
  systemRandom,
  systemTimers,
} from '#kernel';
import { START, testEventStore, type PostgresEventStore } from '#event-store';
import { Transactor, type CommandContext } from '#processing';
import { accessEvents } from '../domain/events.js';
import { EnvelopeSecretStore } from './envelope-secret-store.js';
import { MasterKeyRotation } from './master-key-rotation.js';
import { MasterKeys } from './master-keys.js';
import { PostgresSecretRows } from './postgres-secret-rows.js';
import { RotationRows } from './rotation-rows.js';

const SECRETS = 7;
let store: PostgresEventStore;
let pool: pg.Pool;
const dirs: string[] = [];

beforeEach(async () => {
  const opened = await testEventStore();
  store = opened.store;
  pool = new pg.Pool({ ...opened.database.connection, max: 4 });
  pool.on('error', () => undefined);
});
afterEach(async () => {
  armFailpoints({});
  await store.close();
  await pool.end();
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true });
});

const newDir = async (): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'drover-keys-'));
  dirs.push(dir);
  return dir;
};
const rows = () => new RotationRows(pool);

/** A platform process on a data directory, as it starts: nothing is in its memory but what the files hold. */
const startProcess = async (dir: string, label = dir) => {
  const keys = await MasterKeys.open(dir, systemRandom);
  await pool.query(`INSERT INTO processing.identity VALUES ('master_key', $1) ON CONFLICT DO NOTHING`, [
    keys.current.fingerprint,
  ]);
  await keys.refresh((await rows().state()).current);
  const rotation = new MasterKeyRotation({
    ...{ rows: rows(), keys, random: systemRandom, clock: systemClock, timers: systemTimers, log: silentLog },
    transactor: new Transactor(store, new EventCatalogue(accessEvents)),
    holder: { id: systemIds.uuid(), label },
  });
  const secrets = new EnvelopeSecretStore(new PostgresSecretRows(pool), keys, systemRandom, systemIds);
  return { keys, rotation, secrets };
};
type Process = Awaited<ReturnType<typeof startProcess>>;

const context = (commandId: string): CommandContext => ({
  ...{ commandId, correlationId: commandId, causationId: commandId },
  ...{ accountId: 'account-a', actor: { kind: 'operator', id: 'op' }, nowMs: 0 },
});
const fill = async ({ secrets }: Process) => {
  for (let n = 0; n < SECRETS; n++) await secrets.put(`cluster-${n}`, 'token', `secret ${n}`);
};
const allReadable = async ({ secrets }: Process) => {
  const found = await Promise.all(Array.from({ length: SECRETS }, (_, n) => secrets.get(`cluster-${n}#token`)));
  expect(found).toEqual(Array.from({ length: SECRETS }, (_, n) => `secret ${n}`));
};
const wrappedBy = async (): Promise<readonly (string | null)[]> =>
  (
    await pool.query<{ wrapped_by: string | null }>(
      'SELECT DISTINCT wrapped_by FROM access.subject_keys WHERE wrapped IS NOT NULL',
    )
  ).rows.map((row) => row.wrapped_by);
const recorded = async () =>
  (await store.readAll(START, { limit: 100 })).events.map(({ type, data }) => [type, data['fingerprint']]);

describe.each([
  'master_key.prepared',
  'master_key.begun',
  'master_key.rewrapped',
  'master_key.finished',
  'master_key.promoted',
])('a process that ends at %s', (name) => {
  it('leaves every secret readable, and the next one completes the rotation', async () => {
    const dir = await newDir();
    const first = await startProcess(dir);
    const old = first.keys.current.fingerprint;
    await fill(first);
    // As a version before this one left them: they do not say which key wraps them.
    await pool.query(`UPDATE access.subject_keys SET wrapped_by = NULL WHERE subject < 'cluster-3'`);
    armFailpoints({ DROVER_FAILPOINTS: `${name}=throw` });
    const cut = async () => {
      await first.rotation.begin(context('one'));
      await first.rotation.step();
    };
    await expect(cut()).rejects.toThrow(FailpointReached);
    // Who still runs reads and writes on, too.
    await allReadable(first);
    await pool.query('DELETE FROM access.master_key_holders');

    const second = await startProcess(dir);
    await allReadable(second);
    await second.secrets.put('cluster-new', 'token', 'new');
    await second.secrets.shred('cluster-new');
    const { fingerprint } = await second.rotation.begin(context('one'));
    expect(await second.rotation.settle(10_000)).toMatchObject({ status: 'rotated', fingerprint, left: 0 });
    await allReadable(second);
    expect(second.keys.current.fingerprint).toBe(fingerprint);
    expect(fingerprint).not.toBe(old);
    expect(await wrappedBy()).toEqual([fingerprint]);
    expect(await readdir(dir)).toEqual(['master.key']);
    const third = await startProcess(dir);
    await allReadable(third);
    await third.rotation.step();
    expect(await recorded()).toEqual([
      ['system.access.master_key_rotation_started', fingerprint],
      ['system.access.master_key_rotated', fingerprint],
    ]);
  });
});

it.each(['master_key.begun', 'master_key.finished'])(
  'a request is known when it is repeated, whoever carried it on after %s and however far',
  async (name) => {
    const dir = await newDir();
    const first = await startProcess(dir);
    await fill(first);
    armFailpoints({ DROVER_FAILPOINTS: `${name}=throw` });
    const cut = async () => {
      await first.rotation.begin(context('one'));
      await first.rotation.step();
    };
    await expect(cut()).rejects.toThrow(FailpointReached);
    await pool.query('DELETE FROM access.master_key_holders');
    const second = await startProcess(dir);
    const { fingerprint } = await second.rotation.settle(10_000);
    expect((await second.rotation.begin(context('one'))).fingerprint).toBe(fingerprint);
    expect(await second.rotation.settle(10_000)).toMatchObject({ status: 'rotated', fingerprint });
    expect(await recorded()).toHaveLength(2);
  },
);

it('a request that is repeated starts no further rotation, another one does', async () => {
  const one = await startProcess(await newDir());
  await fill(one);
  const first = await one.rotation.begin(context('one'));
  await one.rotation.step();
  expect((await one.rotation.begin(context('one'))).fingerprint).toBe(first.fingerprint);
  expect(await one.rotation.step()).toMatchObject({ status: 'rotated', fingerprint: first.fingerprint });
  const second = await one.rotation.begin(context('two'));
  expect(second.fingerprint).not.toBe(first.fingerprint);
  await one.rotation.step();
  await allReadable(one);
  expect(await wrappedBy()).toEqual([second.fingerprint]);
});

it('with several processes nothing is wrapped before each of them has the next key, and each goes on reading and writing', async () => {
  const [dirA, dirB] = [await newDir(), await newDir()];
  const a = await startProcess(dirA, 'a');
  await copyFile(join(dirA, 'master.key'), join(dirB, 'master.key'));
  const b = await startProcess(dirB, 'b');
  await fill(a);
  await b.rotation.step();
  const old = a.keys.current.fingerprint;
  const { fingerprint } = await a.rotation.begin(context('one'));
  expect(await a.rotation.step()).toMatchObject({ status: 'waiting', waitingFor: ['b'], left: SECRETS });
  // B has no part in it yet: it wraps by the old key, and reads.
  await b.secrets.put('cluster-late', 'token', 'late');
  expect(await wrappedBy()).toEqual([old]);
  expect(await b.rotation.step()).toMatchObject({ status: 'waiting', waitingFor: ['b'] });

  await copyFile(join(dirA, 'master.key.next'), join(dirB, 'master.key.next'));
  expect(await b.rotation.step()).toMatchObject({ status: 'rotated', fingerprint });
  // A has heard nothing of it.
  expect(a.keys.current.fingerprint).toBe(old);
  await allReadable(a);
  await a.secrets.put('cluster-after', 'token', 'after');
  expect(a.keys.current.fingerprint).toBe(fingerprint);
  expect(await wrappedBy()).toEqual([fingerprint]);
  for (const dir of [dirA, dirB]) expect(await readdir(dir)).toEqual(['master.key']);
});

it('a process that was away and lacks the new key writes nothing that nobody could read, and says what to do', async () => {
  const [dirA, dirB] = [await newDir(), await newDir()];
  const a = await startProcess(dirA);
  await copyFile(join(dirA, 'master.key'), join(dirB, 'master.key'));
  const b = await startProcess(dirB);
  await fill(a);
  await a.rotation.begin(context('one'));
  expect(await a.rotation.step()).toMatchObject({ status: 'rotated' });
  await expect(b.secrets.get('cluster-1#token')).rejects.toThrow(/lacks the new one: copy master.key/);
  await expect(b.secrets.put('cluster-x', 'token', 'x')).rejects.toThrow(/lacks the new one: copy master.key/);
  await copyFile(join(dirA, 'master.key'), join(dirB, 'master.key'));
  await allReadable(b);
  await b.secrets.put('cluster-x', 'token', 'x');
  expect(await a.secrets.get('cluster-x#token')).toBe('x');
});

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { testDatabase, verifyChain, type RecordedEvent } from '#event-store';
import { accept, deterministicUuid, type Decider, type DomainEvent } from '#kernel';
import { InstanceForgotten, InstanceTerminated } from '#fleet';
import { unseal } from '../../libs/access/src/secrets/sealing.js';
import { ClusterDecommissioned } from '../../libs/kubernetes/src/domain/events.js';
import { MASTER_KEY, shreddingGround } from './support/shredding-ground.js';

const ROOT = join(import.meta.dirname, '../..');
const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const happens: Decider<null, DomainEvent, DomainEvent> = {
  initial: null,
  evolve: () => null,
  decide: (event) => accept(event),
};

let database: Awaited<ReturnType<typeof testDatabase>>;
let ground: ReturnType<typeof shreddingGround>;
let nth = 0;
beforeEach(async () => {
  database = await testDatabase();
  ground = shreddingGround(database.connection);
});
afterEach(async () => {
  await ground.close();
  await database.drop();
});

const append = async (stream: string, event: DomainEvent) => {
  const commandId = deterministicUuid('test', ++nth);
  const actor = { kind: 'operator', id: 'operator-test' } as const;
  const context = {
    commandId,
    correlationId: commandId,
    causationId: commandId,
    accountId: 'account-a',
    actor,
    nowMs: 1,
  };
  return (await ground.transactor.transact(stream, happens, event, context)) as { position: bigint };
};
const decommission = (cluster: `cluster-${string}`) =>
  append(
    cluster,
    ClusterDecommissioned({ cluster_id: cluster, name: 'c', freed_instances: [] }, { links: { cluster } }),
  );
const records = async (subject: string): Promise<RecordedEvent[]> => {
  const found: RecordedEvent[] = [];
  for await (const event of ground.store.readStream(`secret_subject-${subject}`)) found.push(event);
  return found;
};
const until = async (what: string, condition: () => Promise<boolean>) => {
  for (let waited = 0; !(await condition()); waited += 20) {
    if (waited > 60_000) throw new Error(`not after a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
const sealedRows = async () =>
  (await ground.pool.query<{ subject: string; name: string; sealed: Buffer }>('SELECT * FROM access.secrets')).rows;
/** Every data key that the database still holds, opened with the master key: all that an attacker with both could try. */
const dataKeys = async (): Promise<Uint8Array[]> => {
  const { rows } = await ground.pool.query<{ subject: string; key_id: string; wrapped: Buffer | null }>(
    'SELECT subject, key_id, wrapped FROM access.subject_keys',
  );
  return rows
    .filter((row) => row.wrapped !== null)
    .map((row) =>
      unseal(MASTER_KEY, row.wrapped!, JSON.stringify(['drover secret', row.subject, `key:${row.key_id}`])),
    );
};
const chain = async () => {
  const said: string[] = [];
  for await (const report of verifyChain(ground.pool)) said.push(report.kind);
  return said;
};

it('shreds a cluster’s secrets when it is decommissioned, writes down which, and the chain verifies', async () => {
  const [gone, kept] = [`cluster-${uuid(1)}`, `cluster-${uuid(2)}`] as const;
  await ground.secrets.put(gone, 'kubeconfig', 'the kubeconfig');
  await ground.secrets.put(gone, 'server_token', 'the token');
  const other = await ground.secrets.put(kept, 'kubeconfig', 'another');
  const { key_id: keyId } = (
    await ground.pool.query('SELECT key_id FROM access.subject_keys WHERE subject = $1', [gone])
  ).rows[0] as { key_id: string };
  const stolen = (await sealedRows()).filter((row) => row.subject === gone);
  await ground.host.start();
  await decommission(gone);
  await until('it is written down', async () => (await records(gone)).length > 0);

  const because = 'system.k3s.cluster.decommissioned';
  const [record] = await records(gone);
  expect(record).toMatchObject({
    type: 'system.access.secrets_shredded',
    data: { subject: gone, data_key_id: keyId, names: ['kubeconfig', 'server_token'], because },
    meta: { accountId: 'account-a', links: { cluster: gone } },
  });
  expect(JSON.stringify(record!.data)).not.toMatch(/the kubeconfig|the token/);
  expect(await ground.secrets.find(`${gone}#kubeconfig`)).toMatchObject({ kind: 'shredded' });
  expect(await ground.secrets.get(other.ref)).toBe('another');
  expect((await sealedRows()).map((row) => row.subject)).toEqual([kept]);
  // Who kept the ciphertexts, and has the master key and the whole database, has nothing that opens them.
  const keys = await dataKeys();
  expect([stolen.length, keys.length]).toEqual([2, 1]);
  for (const { sealed, subject, name } of stolen)
    for (const key of [...keys, MASTER_KEY])
      expect(() => unseal(key, sealed, JSON.stringify(['drover secret', subject, name]))).toThrow();
  expect(await chain()).toEqual(['intact']);
});

it.each([
  ['terminated', InstanceTerminated],
  ['forgotten', InstanceForgotten],
])('ends an instance that was %s; where nothing was kept there is nothing to say', async (_, ended) => {
  const instance_id = `instance-${uuid(3)}` as const;
  await ground.host.start();
  await append(instance_id, ended({ instance_id, node_id: `node-${uuid(4)}` }));
  await until('it has ended', async () => (await ground.secrets.find(`${instance_id}#x`)).kind === 'shredded');
  await expect(ground.secrets.put(instance_id, 'x', 'late')).rejects.toMatchObject({ refusal: { status: 410 } });
  expect(await records(instance_id)).toEqual([]);
});

it('shreds what ended before this build ran, and once, however often it starts', async () => {
  const cluster = `cluster-${uuid(5)}` as const;
  await ground.secrets.put(cluster, 'kubeconfig', 'the kubeconfig');
  await decommission(cluster);
  await ground.host.start();
  await until('it is written down', async () => (await records(cluster)).length > 0);
  await ground.close();
  ground = shreddingGround(database.connection);
  await ground.host.start();
  // Whatever the second start would do again stands before this.
  await decommission(`cluster-${uuid(6)}`);
  await until('the next is done', async () => (await ground.secrets.find(`cluster-${uuid(6)}#x`)).kind === 'shredded');
  expect(await records(cluster)).toHaveLength(1);
});

describe('killed in the middle', () => {
  let dir: string;
  let script: string;
  beforeAll(async () => {
    // In the repository, so that packages are found.
    dir = await mkdtemp(join(ROOT, 'node_modules/.drover-shredding-'));
    script = join(dir, 'child.mjs');
    const inner = { filter: /^#/ };
    await build({
      entryPoints: [join(import.meta.dirname, 'support/shredding-child.ts')],
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      logLevel: 'error',
      tsconfig: join(ROOT, 'tsconfig.json'),
      plugins: [
        {
          name: 'inner imports',
          setup: (b) => b.onResolve(inner, ({ path }) => ({ path: join(ROOT, `libs/${path.slice(1)}/src/index.ts`) })),
        },
      ],
    });
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const child = (failpoints?: string) => {
    const env = { PATH: process.env['PATH'], ...(failpoints === undefined ? {} : { DROVER_FAILPOINTS: failpoints }) };
    const process_ = spawn(process.execPath, [script, database.connectionString], {
      env,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const ended = new Promise<NodeJS.Signals | null>((resolve) =>
      process_.once('exit', (_, signal) => resolve(signal)),
    );
    return { ended, stop: () => (process_.stdin.end(), ended) };
  };

  it.each([
    ['the event is in the log and nothing is shredded', 'secret.shredding=kill', 'found', 0],
    ['the key is gone and nothing says so', 'secret.shredded=kill', 'shredded', 0],
    ['it is written down and the process manager does not know', 'command.appended=kill', 'shredded', 1],
  ])('when %s, the next start finishes it once', async (_, failpoint, meanwhile, written) => {
    const cluster = `cluster-${uuid(7)}` as const;
    const { ref } = await ground.secrets.put(cluster, 'kubeconfig', 'the kubeconfig');
    await decommission(cluster);
    expect(await child(failpoint).ended).toBe('SIGKILL');
    expect((await ground.secrets.find(ref)).kind).toBe(meanwhile);
    expect(await records(cluster)).toHaveLength(written);

    const next = child();
    const inbox = async () => {
      const kinds: string[] = [];
      for await (const { data } of ground.store.readStream(`pm_secret_shredder-${cluster}`))
        kinds.push((data['input'] as { kind: string }).kind);
      return kinds;
    };
    await until('the process manager is content', async () => (await inbox()).includes('command_result'));
    await next.stop();
    expect(await inbox()).toEqual(['event', 'command_result']);
    expect((await records(cluster)).map((event) => event.data['names'])).toEqual([['kubeconfig']]);
    expect((await ground.secrets.find(ref)).kind).toBe('shredded');
    expect(await sealedRows()).toEqual([]);
    expect(await chain()).toEqual(['intact']);
  });
});

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, sequentialIds } from '#kernel';
import { EnvelopeSecretStore, MemorySecretRows } from '#access';
import { SnapshotCopies } from './copies.js';

const CLUSTER = 'cluster-00000000-0000-4000-8000-000000000001';
const SNAPSHOT = 'etcd_snapshot-00000000-0000-4000-8000-000000000002';

async function* chunks(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}
const textOf = async (bytes: AsyncIterable<Buffer>): Promise<string> => {
  const all: Buffer[] = [];
  for await (const chunk of bytes) all.push(chunk);
  return Buffer.concat(all).toString();
};

describe('the platform’s copies of snapshots', () => {
  let dir: string;
  let secrets: EnvelopeSecretStore;
  let copies: SnapshotCopies;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drover-copies-'));
    const rows = new MemorySecretRows();
    secrets = new EnvelopeSecretStore(rows, new Uint8Array(32).fill(7), seededRandom(1), sequentialIds());
    copies = new SnapshotCopies(dir, secrets, seededRandom(2));
  });
  afterEach(() => rm(dir, { recursive: true }));

  const file = async () => {
    const folder = join(dir, 'snapshots', CLUSTER.slice(8));
    return join(folder, (await readdir(folder))[0]!);
  };

  it('come back as they went in, and are unreadable on the disk', async () => {
    const stored = await copies.put(CLUSTER, SNAPSHOT, chunks('all the secrets', ' of a cluster'));
    expect(stored).toMatchObject({ size: 28, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    expect((await readFile(await file())).toString('latin1')).not.toContain('secrets');
    expect(await textOf(copies.read(CLUSTER, SNAPSHOT, stored.storeRef))).toBe('all the secrets of a cluster');
  });

  it('are refused when a bit of them is another', async () => {
    const { storeRef } = await copies.put(CLUSTER, SNAPSHOT, chunks('content'));
    const bytes = await readFile(await file());
    bytes[14]! ^= 1;
    await writeFile(await file(), bytes);
    await expect(textOf(copies.read(CLUSTER, SNAPSHOT, storeRef))).rejects.toThrow();
  });

  it('leave nothing behind when the source breaks off, and end with their cluster', async () => {
    const broken = async function* () {
      yield Buffer.from('half');
      throw new Error('the tunnel was cut');
    };
    await expect(copies.put(CLUSTER, SNAPSHOT, broken())).rejects.toThrow('the tunnel was cut');
    expect(await readdir(join(dir, 'snapshots', CLUSTER.slice(8)))).toEqual([]);
    const { storeRef } = await copies.put(CLUSTER, SNAPSHOT, chunks('x'));
    await secrets.shred(CLUSTER);
    await expect(textOf(copies.read(CLUSTER, SNAPSHOT, storeRef))).rejects.toThrow(/shredded/);
  });
});

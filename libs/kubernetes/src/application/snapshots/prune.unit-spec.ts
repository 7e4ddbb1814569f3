import type { SnapshotDoc } from '../../projections/snapshots.js';
import { PruneSnapshots, PruneSnapshotsHandler } from './prune.handler.js';
import type { SnapshotWork } from './snapshot.handlers.js';

const CLUSTER = 'cluster-00000000-0000-4000-8000-000000000001';

/** A cluster with these snapshots, the oldest first, as read models list them. */
const pruneIn = async (status: string, docs: readonly Pick<SnapshotDoc, 'id' | 'status'>[]) => {
  const deleted: string[] = [];
  const work = {
    transactor: { read: async () => ({ state: { cron: '@hourly', intervalMinutes: null, retention: 2 } }) },
    clusters: { read: async () => ({ status, serverTokenRef: null }) },
    serverTokens: async () => [],
    copies: { delete: async (_cluster: string, id: string) => void deleted.push(id) },
    record: async () => ({ kind: 'done', value: undefined }),
  } as unknown as SnapshotWork;
  const all = docs.map((doc, i) => ({ ...doc, kind: 'snapshot', createdAt: new Date(i).toISOString() }));
  const readModels = {
    find: async (_p: unknown, { where, limit = Infinity }: { where: Record<string, string>; limit?: number }) =>
      all.filter((d) => where['status'] === undefined || d.status === where['status']).slice(0, limit),
  };
  const handler = new PruneSnapshotsHandler(work, readModels as never);
  await handler.execute(new PruneSnapshots({ cluster_id: CLUSTER }, { commandId: 'c' } as never));
  return deleted;
};

const prune = (...docs: Pick<SnapshotDoc, 'id' | 'status'>[]) => pruneIn('active', docs);

describe('the retention of snapshots', () => {
  const of = (id: string, status: SnapshotDoc['status'] = 'available') => ({ id, status });

  it('lets the oldest go and keeps the newest', async () => {
    expect(await prune(of('a'), of('b'), of('c'), of('d'))).toEqual(['b', 'a']);
    expect(await prune(of('a'), of('b'))).toEqual([]);
  });

  it('is none when the cluster is decommissioned: its files go too', async () => {
    expect(await pruneIn('decommissioned', [of('a'), of('b', 'failed')])).toEqual(['a']);
  });

  it('counts what is there, however many have failed or have gone before', async () => {
    const gone = Array.from({ length: 1_200 }, (_, i) => of(`gone${i}`, i % 2 === 0 ? 'deleted' : 'failed'));
    expect(await prune(...gone, of('a'), of('b'), of('c'))).toEqual(['a']);
  });
});

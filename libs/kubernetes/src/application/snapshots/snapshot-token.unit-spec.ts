import type { DomainEvent } from '#kernel';
import { SaveSnapshot } from './commands.js';
import { SaveSnapshotHandler, type SnapshotWork } from './snapshot.handlers.js';

const CLUSTER = 'cluster-00000000-0000-4000-8000-000000000001';
const SERVER = 'instance-00000000-0000-4000-8000-000000000001';

interface Token {
  readonly serverTokenRef: string;
  readonly tokenChange: { readonly phase: 'chosen' | 'made' | 'dropped' } | null;
}
const old: Token = { serverTokenRef: 'old', tokenChange: null };
const chosen: Token = { serverTokenRef: 'old', tokenChange: { phase: 'chosen' } };
const made: Token = { serverTokenRef: 'new', tokenChange: { phase: 'made' } };

/** A save of a snapshot, with the cluster as it is each time that it is looked at; what K3s was asked, and what was written down. */
const save = async (looks: readonly Token[], files: readonly string[] = []) => {
  const did: string[] = [];
  const recorded: DomainEvent[] = [];
  let look = 0;
  const before = { status: 'requested', clusterId: CLUSTER, name: 'nightly' };
  const rest = { id: CLUSTER, status: 'active', datastore: 'etcd', nodes: new Map([[SERVER, { role: 'server' }]]) };
  const work = {
    snapshot: async () => before,
    clusters: { read: async () => ({ ...rest, ...looks[Math.min(look++, looks.length - 1)]! }) },
    serverTokens: async () => ['t'],
    link: { liveness: () => ({ connected: true }) },
    api: () => ({
      list: async () => files,
      save: async (name: string) => (did.push(`save ${name}`), `${name}-made-now`),
      delete: async (name: string) => void did.push(`delete ${name}`),
    }),
    record: async (_: string, event: DomainEvent) => void recorded.push(event),
  };
  const handler = new SaveSnapshotHandler(work as unknown as SnapshotWork);
  const result = await handler.execute(new SaveSnapshot({ snapshot_id: 's' } as never, { commandId: 'c' } as never));
  return { did, kind: result.kind, written: recorded.map(({ data }) => data) };
};

describe('a snapshot that is made while the server token changes', () => {
  it('waits until it is known which one it is encrypted with', async () => {
    expect(await save([chosen])).toEqual({ did: [], kind: 'refused', written: [] });
    expect(await save([old, chosen])).toMatchObject({ did: ['save nightly'], kind: 'refused', written: [] });
    expect(await save([old, made])).toMatchObject({ kind: 'refused', written: [] });
  });

  it('is made anew then: what an earlier try left may be of either token', async () => {
    const { did, written } = await save([made], ['nightly-s1-100']);
    expect(did).toEqual(['delete nightly-s1-100', 'save nightly']);
    expect(written).toMatchObject([{ file_name: 'nightly-made-now', server_token_ref: 'new' }]);
  });

  it('is taken as an earlier try left it where the token was never changed', async () => {
    const { did, written } = await save([old], ['nightly-s1-100']);
    expect(did).toEqual([]);
    expect(written).toMatchObject([{ file_name: 'nightly-s1-100', server_token_ref: 'old' }]);
  });
});

import { Duplex } from 'node:stream';
import { systemTimers, type DomainEvent } from '#kernel';
import { SaveSnapshot } from './commands.js';
import { NodeChannel } from './node-channel.js';
import { SaveSnapshotHandler, type SnapshotWork } from './snapshot.handlers.js';

const CLUSTER = 'cluster-00000000-0000-4000-8000-000000000001';
const TOO_LARGE = 9 * 1024 ** 3;

/** A server whose agent answers that its snapshot has so many bytes. */
const serverWith = (size: unknown) =>
  new NodeChannel(
    {
      openTunnel: async () =>
        new Duplex({
          read: () => undefined,
          write(_chunk, _encoding, done) {
            done();
            this.push(`${JSON.stringify({ ok: true, size })}\n`);
            this.push(null);
          },
        }),
    },
    systemTimers,
  );
const read = async (size: unknown): Promise<number> => {
  let got = 0;
  for await (const chunk of serverWith(size).read('i', 'nightly')) got += chunk.length;
  return got;
};

it('says how large a snapshot is that is too large, and how large one may be', async () => {
  await expect(read(TOO_LARGE)).rejects.toThrow(
    'nightly has 9.0 GiB (9663676416 bytes), and a snapshot may have 8 GiB',
  );
  await expect(read(8 * 1024 ** 3)).rejects.toThrow('nightly broke off after 0 of 8589934592 bytes');
  await expect(read(-1)).rejects.toThrow('no answer that could be understood');
  await expect(read('9')).rejects.toThrow('no answer that could be understood');
  expect(await read(0)).toBe(0);
});

it('does not ask again for a snapshot that is too large: it has failed, and why is written down', async () => {
  const recorded: DomainEvent[] = [];
  const work = {
    snapshot: async () => ({ status: 'saved', clusterId: CLUSTER, instanceId: 'i', fileName: 'nightly' }),
    clusters: { read: async () => ({ id: CLUSTER, status: 'active', datastore: 'etcd', nodes: new Map() }) },
    serverTokens: async () => ['t'],
    channel: serverWith(TOO_LARGE),
    copies: {
      put: async (_: string, __: string, bytes: AsyncIterable<Buffer>) => {
        for await (const chunk of bytes) expect(chunk).toBeUndefined();
      },
    },
    record: async (_: string, event: DomainEvent) => (recorded.push(event), { kind: 'done', value: undefined }),
  };
  const handler = new SaveSnapshotHandler(work as unknown as SnapshotWork);
  const result = await handler.execute(new SaveSnapshot({ snapshot_id: 's' } as never, { commandId: 'c' } as never));
  expect(result.kind).toBe('done');
  expect(recorded).toMatchObject([
    { type: 'system.k3s.snapshot.failed', data: { reason: expect.stringContaining('9.0 GiB') } },
  ]);
});

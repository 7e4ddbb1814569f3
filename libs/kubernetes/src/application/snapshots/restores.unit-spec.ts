import { restoreDecider } from '../../domain/snapshots/decide.js';
import * as events from '../../domain/snapshots/events.js';
import { RunRestore } from './commands.js';
import { nextRestore, RunRestoreHandler } from './restore.handlers.js';

const CLUSTER = 'cluster-00000000-0000-4000-8000-000000000001' as const;
const INSTANCE = 'instance-00000000-0000-4000-8000-000000000001' as const;

describe('two restores of a cluster at once', () => {
  const begin = (snapshot_id: string) =>
    events.RestoreRequested({
      ...{ restore_id: 'etcd_restore-1', cluster_id: CLUSTER, snapshot_id },
      ...{ instance_id: INSTANCE, other_servers: [] },
    });
  const state = restoreDecider.evolve(restoreDecider.initial, begin('s1'));

  it('are one: who comes second is told so, unless it asks for the same', async () => {
    expect(restoreDecider.decide(begin('s2'), state)).toMatchObject({
      kind: 'reject',
      refusal: { code: 'restore_is_running' },
    });
    expect(restoreDecider.decide(begin('s1'), state)).toMatchObject({ kind: 'nothing' });
  });

  it('begin on the same stream; the next begins on another one when this has ended', async () => {
    const known = new Map<string, unknown>();
    const log = { read: async (id: string) => (known.has(id) ? { state: known.get(id) } : undefined) } as never;
    const first = await nextRestore(log, CLUSTER);
    expect(await nextRestore(log, CLUSTER)).toBe(first);
    known.set(first, state);
    await expect(nextRestore(log, CLUSTER)).rejects.toThrow('under way');
    known.set(first, { ...state, status: 'failed' });
    const second = await nextRestore(log, CLUSTER);
    expect(second).not.toBe(first);
  });
});

describe('a server that is not connected when the others are halted', () => {
  const OTHER = 'instance-00000000-0000-4000-8000-000000000002' as const;
  const run = async (force: boolean) => {
    const begun = events.RestoreRequested({
      ...{ restore_id: 'etcd_restore-1', cluster_id: CLUSTER, snapshot_id: 's1' },
      ...{ instance_id: INSTANCE, other_servers: [OTHER], ...(force && { force }) },
    });
    const asked: string[] = [];
    const work = {
      transactor: { read: async () => ({ state: restoreDecider.evolve(restoreDecider.initial, begun) }) },
      clusters: { read: async () => ({ id: CLUSTER, nodes: new Map([[INSTANCE, {}]]) }) },
      ...{ snapshot: async () => ({ tokenRef: 'r' }), secrets: { get: async () => 'token' } },
      link: { liveness: (id: string) => ({ connected: id !== OTHER }) },
      channel: {
        ask: async (id: string) => {
          asked.push(id);
          throw new Error('far enough');
        },
      },
    };
    const handler = new RunRestoreHandler(work as never, undefined as never, undefined as never);
    const result = await handler.execute(new RunRestore({ restore_id: 'etcd_restore-1' } as never, {} as never));
    return { asked, message: result.kind === 'refused' ? result.refusal.message : '' };
  };

  it('keeps the restore from beginning: it would come back as a second cluster', async () => {
    expect(await run(false)).toEqual({ asked: [], message: `${OTHER} must be connected, to be halted` });
  });

  it('is left alone when the operator says that it is destroyed', async () => {
    expect(await run(true)).toEqual({ asked: [INSTANCE], message: 'far enough' });
  });
});

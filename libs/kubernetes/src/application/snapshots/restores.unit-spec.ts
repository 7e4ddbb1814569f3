import { restoreDecider } from '../../domain/snapshots/decide.js';
import * as events from '../../domain/snapshots/events.js';
import { nextRestore } from './restore.handlers.js';

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

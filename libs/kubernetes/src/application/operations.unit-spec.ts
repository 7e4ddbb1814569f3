import { ServerTokenChanging } from '../domain/cluster/events.js';
import * as restores from '../domain/snapshots/events.js';
import * as rollouts from '../domain/upgrade/events.js';
import { cluster_id, instance_id, oneServer } from '../testing/one-server.js';
import { KubernetesDirectory } from './directory.js';
import { lastRestore } from './operations.js';
import { RequestRestore, RunRestore } from './snapshots/commands.js';
import { RequestRestoreHandler, RunRestoreHandler } from './snapshots/restore.handlers.js';
import { AdvanceRolloutHandler } from './upgrade/advance.handler.js';
import { AdvanceRollout, ControlRollout, StartRotation } from './upgrade/commands.js';
import { readRollout, rolloutStream } from './upgrade/rollouts.js';
import { ControlRolloutHandler, StartRotationHandler } from './upgrade/start.handlers.js';
import { VersionDirectory } from './upgrade/version-directory.js';

const pace = { max_unavailable: 1, canary: 0, canary_soak_seconds: 0, drain: false };
const options = { ...pace, drain_timeout_seconds: 30, node_timeout_seconds: 60 };
const started = rollouts.RolloutStarted({
  ...{ cluster_id, run: 1, at_ms: 1, change: { kind: 'certificates' }, options, nodes: [] },
});
/** A cluster of one server, and everything that may happen to it. */
const world = async () => {
  const { clock, transactor, dispatcher, context, put } = await oneServer();
  const versions = new VersionDirectory(new KubernetesDirectory());
  const probe = { look: async () => new Map() } as never;
  const nextId = async () => (await lastRestore(transactor, cluster_id)).id;
  const request = async () =>
    restores.RestoreRequested({
      ...{ restore_id: await nextId(), cluster_id, snapshot_id: 's', instance_id, other_servers: [] },
    });
  const { restore_id } = (await request()).data;
  const work = { transactor, clusters: { read: async () => ({ id: cluster_id, nodes: new Map() }) } };
  const one = { snapshot: async () => ({ tokenRef: 'r' }), secrets: { get: async () => 'token' } };
  return {
    ...{ put, transactor, restore_id },
    restoring: async () => put(restore_id, await request()),
    restore: (...token: [undefined?]) =>
      new RequestRestoreHandler({
        ...{ ...work, ...one },
        ...(token.length > 0 && { secrets: { get: async () => undefined } }),
      } as never).execute(
        new RequestRestore(
          { restore_id, cluster_id, snapshot_id: 's', instance_id, other_servers: [] } as never,
          context(),
        ),
      ),
    /** As far as its server can be halted: what comes after that does not happen here. */
    run: (connected = true) => {
      const ask = async () => {
        if (!connected) throw new Error('it is not connected');
      };
      const clusters = { read: async () => ({ id: cluster_id, nodes: new Map([[instance_id, {}]]) }) };
      const parts = { ...work, ...one, clusters, channel: { ask } };
      return new RunRestoreHandler(parts as never, clock, undefined as never).execute(
        new RunRestore({ restore_id }, context()),
      );
    },
    rotate: () =>
      new StartRotationHandler(transactor, clock, versions).execute(
        new StartRotation({ cluster_id, what: 'certificates', options }, context()),
      ),
    control: (action: 'resume' | 'rollback' | 'abort') =>
      new ControlRolloutHandler(transactor, clock, versions).execute(
        new ControlRollout({ cluster_id, action }, context()),
      ),
    advance: () =>
      new AdvanceRolloutHandler(transactor, dispatcher, clock, versions, probe, undefined as never).execute(
        new AdvanceRollout({ cluster_id, run: 1 }, context()),
      ),
  };
};

describe('a restore and a rollout of one cluster', () => {
  it('exclude each other, and the refusal names what is under way', async () => {
    const rolling = await world();
    await rolling.put(rolloutStream(cluster_id), started);
    const no = { kind: 'refused', refusal: { status: 409, code: 'rollout_in_progress' } };
    expect(await rolling.restore()).toMatchObject(no);
    expect(await rolling.restore()).toMatchObject({ refusal: { message: expect.stringContaining('certificates') } });
    expect(await lastRestore(rolling.transactor, cluster_id)).toMatchObject({ running: false });

    const restoring = await world();
    await restoring.restoring();
    const restore = { kind: 'refused', refusal: { status: 409, code: 'restore_is_running' } };
    expect(await restoring.rotate()).toMatchObject(restore);
    expect(await restoring.rotate()).toMatchObject({
      refusal: { message: expect.stringContaining(restoring.restore_id) },
    });
    expect(await readRollout(restoring.transactor, cluster_id)).toMatchObject({ run: 0 });
  });

  it('follow each other when the first has ended', async () => {
    const w = await world();
    expect(await w.rotate()).toMatchObject({ kind: 'done', value: { run: 1 } });
    expect(await w.restore()).toMatchObject({ kind: 'refused' });
    expect(await w.control('abort')).toMatchObject({ kind: 'done' });
    await w.advance();
    expect(await w.restore()).toMatchObject({ kind: 'done' });
    expect(await w.control('rollback')).toMatchObject({ refusal: { code: 'restore_is_running' } });
  });

  it('do nothing by halves when both began in the same moment: the rollout stands still, the restore waits its turn', async () => {
    const w = await world();
    await w.put(rolloutStream(cluster_id), started);
    await w.restoring();
    expect(await w.run()).toMatchObject({ refusal: { status: 503, message: expect.stringContaining('certificates') } });
    await w.advance();
    expect(await readRollout(w.transactor, cluster_id)).toMatchObject({ status: 'running' });
    await w.put(
      w.restore_id,
      restores.RestoreFailed({ restore_id: w.restore_id, cluster_id, reason: 'r', next_action: 'n' }),
    );
    await w.advance();
    expect(await readRollout(w.transactor, cluster_id)).toMatchObject({ status: 'completed' });
  });

  it('of which a rotation of the server token stands still: the restore ends it, for its snapshot brings its own token', async () => {
    const w = await world();
    const node = { instance_id, name: 's1', role: 'server', canary: false, from_version: null, from_version_id: null };
    const rotation = { ...started.data, change: { kind: 'server_token' as const } };
    await w.put(
      rolloutStream(cluster_id),
      rollouts.RolloutStarted({ ...rotation, nodes: [{ ...node, was_drained: false } as never] }),
    );
    const running = await w.restore();
    expect(running).toMatchObject({ refusal: { code: 'rollout_in_progress' } });
    await w.put(cluster_id, ServerTokenChanging({ cluster_id, run: 1, server_token_ref: 'new' }));
    await w.put(
      rolloutStream(cluster_id),
      rollouts.RolloutNodeFailed({
        ...{ cluster_id, run: 1, instance_id, direction: 'forward', reason: 'too late', percent: 0, done: 0, total: 1 },
      }),
    );
    expect(await w.control('abort')).toMatchObject({ refusal: { hint: expect.stringContaining('resume') } });
    expect(await w.restore()).toMatchObject({ kind: 'done' });
    expect(await w.control('resume')).toMatchObject({ refusal: { code: 'restore_is_running' } });
    // Nothing is halted yet: should the restore fail now, the rotation can still go on.
    await w.run(false);
    expect(await readRollout(w.transactor, cluster_id)).toMatchObject({ status: 'stopped' });
    await w.run();
    await w.run();
    expect(await readRollout(w.transactor, cluster_id)).toMatchObject({ status: 'aborted' });
  });

  it('is refused before anything is halted when the token of its snapshot is gone', async () => {
    const w = await world();
    const no = { kind: 'refused', refusal: { status: 410, code: 'snapshot_token_gone', field: 'snapshot_id' } };
    expect(await w.restore(undefined)).toMatchObject(no);
    expect(await lastRestore(w.transactor, cluster_id)).toMatchObject({ running: false });
  });
});

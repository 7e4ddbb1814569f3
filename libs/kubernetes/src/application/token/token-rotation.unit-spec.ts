import { Duplex } from 'node:stream';
import { seededRandom, systemTimers, type DomainEvent } from '#kernel';
import { ServerTokenChanged, ServerTokenChanging } from '../../domain/cluster/events.js';
import type { Cluster } from '../../domain/cluster/state.js';
import * as rollouts from '../../domain/upgrade/events.js';
import type { Rollout } from '../../domain/upgrade/state.js';
import { cluster_id, instance_id, oneServer } from '../../testing/one-server.js';
import { KubernetesDirectory } from '../directory.js';
import { AdvanceRolloutHandler } from '../upgrade/advance.handler.js';
import { AdvanceRollout } from '../upgrade/commands.js';
import { rolloutStream } from '../upgrade/rollouts.js';
import { VersionDirectory } from '../upgrade/version-directory.js';
import { TokenRotation } from './token-rotation.js';

/** An agent's end of the channel, which says yes to whatever it is told. */
const agent = (heard: (line: string) => void): Duplex =>
  new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, written) {
      heard(chunk.toString());
      this.push('{"ok":true}\n');
      written();
    },
  });

it('gives the new token to all servers that can be reached, also to those after one that cannot', async () => {
  const given: string[] = [];
  const link = {
    openTunnel: async (id: string) => {
      if (id === 's2') throw new Error('not connected');
      return agent((line) => void given.push(`${id} ${line.trim()}`));
    },
  };
  const secrets = { get: async () => 'K10::server:new' };
  const nothing = undefined as never;
  const rotation = new TokenRotation(nothing, secrets as never, link as never, seededRandom(1), nothing, systemTimers);
  const servers = ['s1', 's2', 's3'];
  const nodes = servers.map((instanceId) => ({ instanceId, reported: instanceId === 's1', phase: 'pending' }));
  const cluster = {
    ...{ id: 'c', nodes: new Map(servers.map((id) => [id, {}])) },
    tokenChange: { run: 4, ref: 'r', phase: 'made' },
  };
  const trouble = await rotation.prepare(
    { run: 4, nodes } as unknown as Rollout,
    cluster as unknown as Cluster,
    {} as never,
  );
  expect(trouble).toBe('the new server token has not reached s2: not connected');
  const token = { op: 'token', id: 'c', generation: 4, token: 'K10::server:new' };
  expect(given).toEqual([`s3 ${JSON.stringify(token)}`]);
});

const ids = { cluster_id, run: 1 };

/** A rotation whose only node has failed, and what was asked of its token when it was looked at then. */
const lookedAt = async (...tokenEvents: DomainEvent[]) => {
  const { clock, transactor, dispatcher, context, put } = await oneServer();
  await put(cluster_id, ...tokenEvents);
  const pace = { max_unavailable: 1, canary: 0, canary_soak_seconds: 0, drain: false };
  const options = { ...pace, drain_timeout_seconds: 30, node_timeout_seconds: 60 };
  const node = { instance_id, name: 's1', role: 'server', canary: false, from_version: null, from_version_id: null };
  await put(
    rolloutStream(cluster_id),
    rollouts.RolloutStarted({
      ...{ ...ids, at_ms: 1, change: { kind: 'server_token' }, options },
      nodes: [{ ...node, was_drained: false } as never],
    }),
    rollouts.RolloutNodeFailed({
      ...{ ...ids, instance_id, direction: 'forward', reason: 'too late', percent: 0, done: 0, total: 1 },
    }),
  );
  const asked: (string | undefined)[] = [];
  const tokens = {
    prepare: async (_: Rollout, { tokenChange }: Cluster) => void asked.push(tokenChange?.phase),
    inForce: async () => ({ ok: true, detail: '' }),
  };
  const probe = { look: async () => new Map() };
  const versions = new VersionDirectory(new KubernetesDirectory());
  const look = async (...events: DomainEvent[]) => {
    await put(rolloutStream(cluster_id), ...events);
    const handler = new AdvanceRolloutHandler(
      ...([transactor, dispatcher, clock, versions, probe, tokens] as unknown as ConstructorParameters<
        typeof AdvanceRolloutHandler
      >),
    );
    await handler.execute(new AdvanceRollout({ cluster_id, run: 1 }, context()));
    return asked.splice(0);
  };
  return { look, resumed: rollouts.RolloutResumed({ ...ids, retried: [instance_id] }) };
};

describe('a server that was away when the token was given out', () => {
  const chosen = ServerTokenChanging({ ...ids, server_token_ref: 'new' });
  const made = ServerTokenChanged({ ...ids, server_token_ref: 'new', because: 'rotated' });

  it('is given it though the rollout has stopped: it does not start without, and nothing else begins until it has', async () => {
    const stopped = await lookedAt(chosen, made);
    expect(await stopped.look()).toEqual(['made']);
    expect(await stopped.look(stopped.resumed)).toEqual(['made']);
  });

  it('and the change is brought to its end when the rollout goes on, not before', async () => {
    const stopped = await lookedAt(chosen);
    expect(await stopped.look()).toEqual([]);
    expect(await stopped.look(stopped.resumed)).toEqual(['chosen']);
    expect(await (await lookedAt()).look()).toEqual([]);
  });
});

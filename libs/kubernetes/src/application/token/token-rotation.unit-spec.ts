import { Duplex } from 'node:stream';
import { accept, ManualClock, seededRandom, type Decider, type DomainEvent } from '#kernel';
import { createInMemoryPlatform, type CommandContext } from '#processing';
import {
  ClusterClaimed,
  HandshakeBootstrap,
  HandshakeReady,
  ServerTokenChanged,
  ServerTokenChanging,
} from '../../domain/cluster/events.js';
import type { Cluster } from '../../domain/cluster/state.js';
import { kubernetesEvents } from '../../domain/events.js';
import * as rollouts from '../../domain/upgrade/events.js';
import type { Rollout } from '../../domain/upgrade/state.js';
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
  const rotation = new TokenRotation(nothing, secrets as never, link as never, seededRandom(1), nothing);
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

const cluster_id = 'cluster-00000000-0000-4000-8000-000000000001' as never;
const instance_id = 'instance-00000000-0000-4000-8000-000000000001' as never;
const append: Decider<null, DomainEvent, DomainEvent> = { initial: null, evolve: (s) => s, decide: (e) => accept(e) };
const ids = { cluster_id, run: 1 };

/** A rotation whose only node has failed, and what was asked of its token when it was looked at then. */
const lookedAt = async (...tokenEvents: DomainEvent[]) => {
  const clock = new ManualClock();
  const { transactor, dispatcher } = createInMemoryPlatform({ definitions: kubernetesEvents, clock });
  let steps = 0;
  const context = (): CommandContext => ({
    ...{ commandId: `step-${++steps}`, correlationId: 't', causationId: 't', nowMs: clock.wallMs() },
    accountId: 'account-00000000-0000-4000-8000-000000000001',
    actor: { kind: 'system', id: 'test' },
  });
  const put = async (stream: string, ...events: DomainEvent[]) => {
    for (const event of events) await transactor.transact(stream, append, event, context());
  };
  const version = { k8s_version: 'v1.31.2+k3s1', kubeconfig_ref: 'r', kubeconfig_digest: 'd', ca_pem: 'ca' };
  await put(
    cluster_id,
    ClusterClaimed({
      ...{ cluster_id, name: 'c', claimant_instance_id: instance_id, network_id: null, virtual_ip_id: null, vip: null },
      ...{ assignment_id: '00000000-0000-4000-8000-0000000000aa', cni_plugin: 'flannel', pod_cidr: null },
      template_id: 'template-00000000-0000-4000-8000-000000000001',
    }),
    HandshakeBootstrap({ cluster_id, instance_id, ...version, server_token_ref: 't' }),
    HandshakeReady({ cluster_id, instance_id, role: 'server', version: 'v1.31.2+k3s1', node_name: 's1' }),
    ...tokenEvents,
  );
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

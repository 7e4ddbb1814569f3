import { accept, ManualClock, type Decider, type DomainEvent } from '#kernel';
import { createInMemoryPlatform, type CommandContext } from '#processing';
import { ClusterClaimed, HandshakeBootstrap, HandshakeReady } from '../domain/cluster/events.js';
import { kubernetesEvents } from '../domain/events.js';

export const cluster_id = 'cluster-00000000-0000-4000-8000-000000000001' as never;
export const instance_id = 'instance-00000000-0000-4000-8000-000000000001' as never;

const append: Decider<null, DomainEvent, DomainEvent> = { initial: null, evolve: (s) => s, decide: (e) => accept(e) };
const version = { k8s_version: 'v1.31.2+k3s1', kubeconfig_ref: 'r', kubeconfig_digest: 'd', ca_pem: 'ca' };

/** A platform in memory on which a test puts what has happened, event by event. */
export const emptyLog = () => {
  const clock = new ManualClock();
  const { transactor, dispatcher, store } = createInMemoryPlatform({ definitions: kubernetesEvents, clock });
  let steps = 0;
  const context = (): CommandContext => ({
    ...{ commandId: `step-${++steps}`, correlationId: 't', causationId: 't', nowMs: clock.wallMs() },
    accountId: 'account-00000000-0000-4000-8000-000000000001',
    actor: { kind: 'system', id: 'test' },
  });
  const put = async (stream: string, ...events: DomainEvent[]) => {
    for (const event of events) await transactor.transact(stream, append, event, context());
  };
  return { clock, transactor, dispatcher, store, context, put };
};

export const clusterClaimed = ClusterClaimed({
  ...{ cluster_id, name: 'c', claimant_instance_id: instance_id, network_id: null, virtual_ip_id: null, vip: null },
  ...{ assignment_id: '00000000-0000-4000-8000-0000000000aa', cni_plugin: 'flannel', pod_cidr: null },
  template_id: 'template-00000000-0000-4000-8000-000000000001',
});

/** The same with a cluster of one server that is ready. */
export const oneServer = async () => {
  const log = emptyLog();
  await log.put(
    cluster_id,
    clusterClaimed,
    HandshakeBootstrap({ cluster_id, instance_id, ...version, server_token_ref: 't' }),
    HandshakeReady({ cluster_id, instance_id, role: 'server', version: 'v1.31.2+k3s1', node_name: 's1' }),
  );
  return log;
};

import { accept, assertNever, nothing, refusal, reject, type Decision, type EventLinks } from '#kernel';
import {
  ClusterOverdue,
  LifecyclePolicySet,
  MigrationCompleted,
  MigrationNodeDone,
  MigrationNodeStarted,
  MigrationPaused,
  MigrationResumed,
  MigrationStarted,
  NodeOrphaned,
  NodeOrphanReaped,
  NodeOverdue,
  NodeRemoved,
  RenewalBlocked,
  RenewalUnblocked,
  StrangersFound,
  StrangersGone,
} from './events.js';
import { nodeNext } from './outlook.js';
import { DEFAULT_POLICY, withPolicy, type PolicyChange } from './policy.js';
import { sameStrangers, strangersOf } from './strangers.js';
import type { Cluster, ClusterEvent } from './state.js';

interface Overdue {
  /** The state that lasts too long: of one that was left meanwhile nothing is said. */
  readonly state: string;
  readonly since: string;
  readonly boundSeconds: number;
  readonly reason: string;
  readonly nextAction: string;
}
export type CareCommand =
  | (Overdue & { readonly type: 'cluster_overdue' })
  | (Overdue & { readonly type: 'node_overdue'; readonly instanceId: string })
  | { readonly type: 'orphan' | 'reap_orphan'; readonly instanceId: string; readonly reason: string }
  | { readonly type: 'set_policy'; readonly change: PolicyChange }
  | {
      readonly type: 'renewal_blocked';
      readonly reason: string;
      readonly nextAction: string;
      readonly certificatesEndMs: number;
    }
  | { readonly type: 'renewal_unblocked' }
  /** All of them that are there now, as Kubernetes calls them. */
  | { readonly type: 'strangers'; readonly names: readonly string[] };
export type MigrationCommand =
  | {
      readonly type: 'start_migration';
      readonly networkId: string;
      readonly podCidr: string;
      readonly order: readonly string[];
    }
  | { readonly type: 'migrate_node' | 'node_migrated'; readonly instanceId: string }
  | { readonly type: 'pause_migration'; readonly instanceId: string | null; readonly reason: string }
  | { readonly type: 'resume_migration' | 'complete_migration' };

const linksOf = (state: Cluster, instance?: string): EventLinks => ({
  cluster: state.id,
  ...(state.networkId === null ? {} : { network: state.networkId }),
  ...(instance === undefined ? {} : { instance }),
});

const overdueData = (c: Overdue) => ({
  state: c.state,
  since: c.since,
  bound_seconds: c.boundSeconds,
  reason: c.reason,
  next_action: c.nextAction,
});

export const decideCare = (c: CareCommand, state: Cluster): Decision<ClusterEvent> => {
  const cluster_id = state.id as never;
  switch (c.type) {
    case 'cluster_overdue':
      if (state.overdue || state.status !== c.state) return nothing('reported_or_left');
      return accept(ClusterOverdue({ cluster_id, ...overdueData(c) }, { links: linksOf(state, state.claimant) }));
    case 'set_policy': {
      const next = withPolicy(state.policy, c.change);
      const same = Object.keys(DEFAULT_POLICY).every(
        (key) => next[key as keyof typeof next] === state.policy[key as keyof typeof next],
      );
      return same
        ? nothing('unchanged')
        : accept(LifecyclePolicySet({ cluster_id, ...c.change }, { links: linksOf(state) }));
    }
    case 'renewal_blocked': {
      if (state.renewalBlocked === c.reason) return nothing('reported_before');
      const { reason, nextAction: next_action, certificatesEndMs: certificates_end_ms } = c;
      return accept(
        RenewalBlocked({ cluster_id, reason, next_action, certificates_end_ms }, { links: linksOf(state) }),
      );
    }
    case 'renewal_unblocked':
      return state.renewalBlocked === null
        ? nothing('nothing_in_the_way')
        : accept(RenewalUnblocked({ cluster_id }, { links: linksOf(state) }));
    case 'strangers':
      return decideStrangers(c.names, state);
    default:
      return decideNodeCare(c, state);
  }
};

const decideStrangers = (all: readonly string[], state: Cluster): Decision<ClusterEvent> => {
  const found = strangersOf(all);
  if (sameStrangers(state.strangers, found)) return nothing('told_before');
  const cluster_id = state.id as never;
  const links = { links: linksOf(state) };
  if (found.count === 0) return accept(StrangersGone({ cluster_id }, links));
  const { count, names, reason, nextAction: next_action } = found;
  return accept(StrangersFound({ cluster_id, count, names: [...names], reason, next_action }, links));
};

const decideNodeCare = (
  c: Extract<CareCommand, { readonly instanceId: string }>,
  state: Cluster,
): Decision<ClusterEvent> => {
  const node = state.nodes.get(c.instanceId);
  if (node === undefined) return nothing('not_a_member');
  const ids = { cluster_id: state.id as never, instance_id: c.instanceId as never };
  const links = { links: linksOf(state, c.instanceId) };
  switch (c.type) {
    case 'node_overdue':
      if (node.overdue === true || node.status !== c.state) return nothing('reported_or_left');
      return accept(NodeOverdue({ ...ids, ...overdueData(c) }, links));
    case 'orphan':
      return node.status === 'orphaned'
        ? nothing('orphaned_already')
        : accept(NodeOrphaned({ ...ids, reason: c.reason, next_action: nodeNext('orphaned', state.policy)! }, links));
    case 'reap_orphan':
      return node.status === 'orphaned' || node.status === 'joining'
        ? accept<ClusterEvent>(
            NodeOrphanReaped({ ...ids, reason: c.reason }, links),
            NodeRemoved({ ...ids, reason: `reaped: ${c.reason}` }, links),
          )
        : nothing('not_orphaned');
    default:
      return assertNever(c);
  }
};

const progress = (state: Cluster, instanceId: string, more: number) => ({
  cluster_id: state.id as never,
  instance_id: instanceId as never,
  done: (state.migration?.done.length ?? 0) + more,
  total: state.migration?.total ?? 0,
});

const start = (c: Extract<MigrationCommand, { type: 'start_migration' }>, state: Cluster): Decision<ClusterEvent> => {
  if (state.cniPlugin !== 'flannel' || state.podCidr !== null || state.networkId !== c.networkId)
    return nothing('nothing_to_migrate');
  return accept(
    MigrationStarted(
      {
        cluster_id: state.id as never,
        network_id: c.networkId as never,
        pod_cidr: c.podCidr,
        instance_ids: c.order.filter((id) => state.nodes.has(id)) as never,
      },
      { links: linksOf(state) },
    ),
  );
};

/** One node at a time: the next begins only when the one before is done. */
export const decideMigration = (c: MigrationCommand, state: Cluster): Decision<ClusterEvent> => {
  if (c.type === 'start_migration') return start(c, state);
  const { migration } = state;
  const cluster_id = state.id as never;
  const links = { links: linksOf(state) };
  if (migration === null) return nothing('no_migration');
  switch (c.type) {
    case 'migrate_node':
      if (migration.state !== 'running' || migration.current !== null || !migration.pending.includes(c.instanceId))
        return nothing('not_next');
      return accept(MigrationNodeStarted(progress(state, c.instanceId, 0), { links: linksOf(state, c.instanceId) }));
    case 'node_migrated':
      if (migration.current !== c.instanceId) return nothing('not_current');
      return accept(MigrationNodeDone(progress(state, c.instanceId, 1), { links: linksOf(state, c.instanceId) }));
    case 'pause_migration':
      if (migration.state !== 'running') return nothing('not_running');
      return accept(MigrationPaused({ cluster_id, instance_id: c.instanceId as never, reason: c.reason }, links));
    case 'resume_migration':
      if (migration.state === 'paused') return accept(MigrationResumed({ cluster_id }, links));
      return reject(
        refusal(409, 'migration_not_paused', `the pod network migration of ${state.name} is ${migration.state}`, {
          field: 'cluster_id',
          hint: 'kubernetes_get_cluster shows how far it is',
        }),
      );
    case 'complete_migration':
      if (migration.state !== 'running' || migration.current !== null || migration.pending.length > 0)
        return nothing('not_done');
      return accept(MigrationCompleted({ cluster_id, pod_cidr: migration.podCidr }, links));
    default:
      return assertNever(c);
  }
};

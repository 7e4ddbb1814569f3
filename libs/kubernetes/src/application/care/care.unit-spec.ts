import { clusterDecider, type ClusterCommand } from '../../domain/cluster/decide.js';
import {
  absent,
  evolveCluster,
  type Cluster,
  type ClusterEvent,
  type ClusterState,
} from '../../domain/cluster/state.js';
import { migrationStep, type MigrationFacts } from './migration-step.js';
import { careFor, type Facts, type InstanceFacts } from './plan.js';

const START = Date.parse('2026-01-01T00:00:00.000Z');
const id = (n: number) => `instance-00000000-0000-4000-8000-00000000000${n}`;
const [A, B, C] = [id(1), id(2), id(3)] as const;
const NETWORK = 'sdwan_network-00000000-0000-4000-8000-000000000001';

/** A cluster and a clock; what is due is carried out as the watch does it. */
const world = () => {
  let state: ClusterState = absent;
  let now = START;
  const kinds: string[] = [];
  const apply = (command: ClusterCommand): void => {
    const decided = clusterDecider.decide(command, state);
    if (decided.kind === 'reject') throw new Error(decided.refusal.code);
    if (decided.kind !== 'accept') return;
    const at = new Date(now).toISOString();
    state = decided.events.reduce((s: ClusterState, e: ClusterEvent) => evolveCluster(s, e, at), state);
    kinds.push(...decided.events.map((e) => e.type.replace('system.', '')));
  };
  const instances = new Map<string, InstanceFacts>();
  const well: InstanceFacts = {
    online: true,
    presenceSince: new Date(START).toISOString(),
    problem: null,
    assigned: true,
  };
  for (const one of [A, B, C]) instances.set(one, well);
  const facts: Facts = { instance: (one) => instances.get(one), strayMs: () => 60_000 };
  const care = (seconds: number): string[] => {
    now += seconds * 1_000;
    const before = kinds.length;
    for (const action of careFor(state as Cluster, facts, now)) {
      if (action.kind === 'command') apply(action.command);
      else apply({ type: 'move_claim', to: B, reason: action.reason });
    }
    return kinds.slice(before);
  };
  const claim = {
    cluster_id: 'cluster-00000000-0000-4000-8000-000000000001',
    name: 'c',
    claimant_instance_id: A as never,
  } as const;
  const rest = { assignment_id: '00000000-0000-4000-8000-0000000000aa', virtual_ip_id: null, vip: null } as const;
  const more = {
    template_id: 'template-00000000-0000-4000-8000-000000000001',
    cni_plugin: 'flannel',
    pod_cidr: null,
  } as const;
  apply({ type: 'claim', claim: { ...claim, ...rest, ...more, network_id: NETWORK }, ignoredPodPrefix: null });
  const bootstrap = () => {
    const refs = { kubeconfigRef: 'r', kubeconfigDigest: 'd', serverTokenRef: 't', caPem: 'c', version: 'v1' };
    apply({ type: 'bootstrap', instanceId: A, ...refs });
    apply({ type: 'mark_bootstrapped', apiEndpoint: 'https://[fd00::1]:6443', failover: 'none' });
    ready(A, 'server');
  };
  const join = (one: string, role: 'server' | 'agent') =>
    apply({ type: 'request_join', instanceId: one, role, target: null });
  const ready = (one: string, role: 'server' | 'agent') =>
    apply({ type: 'ready', instanceId: one, role, version: 'v1', nodeName: one });
  const migrate = (given: Partial<MigrationFacts> = {}, seconds = 1): string | undefined => {
    now += seconds * 1_000;
    const all = {
      podSubnetPrefix: '10.42.0.0/16',
      isRouted: () => true,
      runsAsWanted: () => 'yes',
      name: (n: string) => n.slice(-1),
    };
    const step = migrationStep(state as Cluster, { ...all, blockedMs: 0, ...given } as MigrationFacts, now);
    if (step !== undefined) apply(step);
    return step?.type;
  };
  return { apply, care, bootstrap, join, ready, migrate, instances, well, cluster: () => state as Cluster };
};

describe('a bootstrap that leads nowhere', () => {
  it('is told once with its reason, then the claim goes on to another server, which has its own time', () => {
    const w = world();
    w.instances.set(A, { ...w.well, problem: 'k3s-server: no such file' });
    expect(w.care(599)).toEqual([]);
    expect(w.care(2)).toEqual(['k3s.cluster.overdue']);
    expect(w.cluster()).toMatchObject({ overdue: true, lastError: 'k3s-server: no such file' });
    expect(w.care(1)).toEqual(['cluster.claim_moved']);
    expect(w.cluster()).toMatchObject({ overdue: false, claimant: B });
    expect(w.care(599)).toEqual([]);
    expect(w.care(2)).toEqual(['k3s.cluster.overdue']);
  });

  it('is only told where the policy says so', () => {
    const w = world();
    w.apply({ type: 'set_policy', change: { on_stuck_bootstrap: 'report', bootstrap_seconds: 60 } });
    expect(w.care(61)).toEqual(['k3s.cluster.overdue']);
    expect(w.care(1_000)).toEqual([]);
  });

  it('moves soon when the first server is lost, and at once when it is gone', () => {
    const w = world();
    w.instances.set(A, { ...w.well, online: false });
    expect(w.care(59)).toEqual([]);
    expect(w.care(2)).toEqual(['cluster.claim_moved']);
    const gone = world();
    gone.instances.delete(A);
    expect(gone.care(0)).toEqual(['cluster.claim_moved']);
    const made = world();
    made.bootstrap();
    made.instances.set(A, { ...made.well, online: false });
    expect(made.care(500)).toEqual([]);
  });
});

describe('nodes that are stuck', () => {
  it('are told once with what is known, and cleared when they move on', () => {
    const w = world();
    w.bootstrap();
    w.join(C, 'agent');
    w.instances.set(C, { ...w.well, problem: 'MissingSdwanPeerError: no peer' });
    expect(w.care(301)).toEqual(['k3s.node.overdue']);
    expect(w.care(301)).toEqual([]);
    expect(w.cluster().nodes.get(C)).toMatchObject({ overdue: true, lastError: 'MissingSdwanPeerError: no peer' });
    w.ready(C, 'agent');
    expect(w.cluster().nodes.get(C)).toMatchObject({ status: 'ready', overdue: false, lastError: null });
  });

  it('are removed, so that they join anew, where the policy says so', () => {
    const w = world();
    w.bootstrap();
    w.apply({ type: 'set_policy', change: { on_stuck_join: 'reap' } });
    w.join(C, 'agent');
    expect(w.care(301)).toEqual(['k3s.node.overdue']);
    expect(w.care(1)).toEqual(['k3s.node.orphan_reaped', 'k3s.node.removed']);
    expect(w.cluster().nodes.has(C)).toBe(false);
  });

  it('become orphans when nothing is behind them, and are reaped when their deadline passes', () => {
    const w = world();
    w.bootstrap();
    w.join(C, 'agent');
    w.ready(C, 'agent');
    w.instances.set(C, { ...w.well, assigned: false });
    expect(w.care(1)).toEqual(['k3s.node.orphaned']);
    expect(w.care(599)).toEqual([]);
    expect(w.care(2)).toEqual(['k3s.node.orphan_reaped', 'k3s.node.removed']);
  });
});

describe('the migration of a pod network', () => {
  const started = () => {
    const w = world();
    w.bootstrap();
    w.join(C, 'agent');
    w.ready(C, 'agent');
    expect(w.migrate()).toBe('start_migration');
    return w;
  };

  it('moves servers before workers, one node at a time, with a health gate between them', () => {
    const w = started();
    expect(w.cluster()).toMatchObject({ podCidr: '10.42.0.0/16', migration: { pending: [A, C], total: 2 } });
    expect(w.migrate({ isRouted: () => false })).toBeUndefined();
    expect(w.migrate()).toBe('migrate_node');
    expect(w.migrate({ runsAsWanted: () => 'not_yet' })).toBeUndefined();
    expect(w.migrate()).toBe('node_migrated');
    w.apply({ type: 'not_ready', instanceId: A, reason: 'restarts' });
    expect(w.migrate()).toBeUndefined();
    w.apply({ type: 'ready_again', instanceId: A });
    expect([w.migrate(), w.migrate(), w.migrate(), w.migrate()]).toEqual([
      'migrate_node',
      'node_migrated',
      'complete_migration',
      undefined,
    ]);
  });

  it('pauses with the reason when a node is not healthy in time, and goes on when told', () => {
    const w = started();
    w.migrate();
    expect(w.migrate({ runsAsWanted: () => 'unknown' }, 301)).toBe('pause_migration');
    expect(w.cluster().migration).toMatchObject({
      state: 'paused',
      current: A,
      reason: expect.stringContaining('older'),
    });
    expect(w.migrate()).toBeUndefined();
    w.apply({ type: 'resume_migration' });
    expect(w.migrate({ runsAsWanted: () => 'not_yet' })).toBeUndefined();
    expect(w.migrate()).toBe('node_migrated');
    w.apply({ type: 'not_ready', instanceId: C, reason: 'dead' });
    expect(w.migrate({ blockedMs: 301_000 })).toBe('pause_migration');
    expect(w.cluster().migration?.reason).toContain('3 is not_ready');
  });

  it('restarts nothing beside a rollout: it begins and goes on when that is over, and tells what it waits for', () => {
    const otherWork = 'an upgrade of this cluster is stopped (run 1)';
    const w = started();
    expect(w.migrate({ otherWork })).toBeUndefined();
    expect(w.migrate()).toBe('migrate_node');
    // What is under way comes to its end.
    expect(w.migrate({ otherWork })).toBe('node_migrated');
    expect(w.migrate({ otherWork })).toBeUndefined();
    expect(w.migrate({ otherWork, blockedMs: 301_000 })).toBe('pause_migration');
    expect(w.cluster().migration?.reason).toContain(otherWork);
  });

  it('forgets a node that is removed meanwhile, and does not touch other plugins or networks without a prefix', () => {
    const w = started();
    w.apply({ type: 'remove_node', instanceId: C, reason: 'terminated' });
    expect([w.migrate(), w.migrate(), w.migrate()]).toEqual(['migrate_node', 'node_migrated', 'complete_migration']);
    const other = world();
    other.bootstrap();
    expect(other.migrate({ podSubnetPrefix: null })).toBeUndefined();
  });
});

import { clusterDecider, type ClusterCommand } from './decide.js';
import { absent, faultTolerance, type Cluster, type ClusterEvent, type ClusterState } from './state.js';

const CLUSTER = 'cluster-00000000-0000-4000-8000-000000000001';
const INSTANCE_A = 'instance-00000000-0000-4000-8000-00000000000a';
const INSTANCE_B = 'instance-00000000-0000-4000-8000-00000000000b';

const claim: ClusterCommand = {
  type: 'claim',
  ignoredPodPrefix: null,
  claim: {
    cluster_id: CLUSTER,
    name: 'k3s-cluster-1',
    assignment_id: '00000000-0000-4000-8000-0000000000aa',
    template_id: 'template-00000000-0000-4000-8000-000000000001',
    claimant_instance_id: INSTANCE_A,
    network_id: 'sdwan_network-00000000-0000-4000-8000-000000000001',
    virtual_ip_id: 'virtual_ip-00000000-0000-4000-8000-000000000001',
    vip: 'fd00::100',
    cni_plugin: 'flannel',
    pod_cidr: null,
  },
};
const bootstrap = (instanceId: string, digest = 'd1', caPem = 'pem'): ClusterCommand => ({
  type: 'bootstrap',
  instanceId,
  version: 'v1.30.5+k3s1',
  kubeconfigRef: 'ref',
  kubeconfigDigest: digest,
  serverTokenRef: 'ref2',
  caPem,
});
const bootstrapped: ClusterCommand = {
  type: 'mark_bootstrapped',
  apiEndpoint: 'https://[fd00::100]:6443',
  failover: 'vip',
};
const ready = (instanceId: string, role: 'server' | 'agent' = 'server'): ClusterCommand => ({
  type: 'ready',
  instanceId,
  role,
  version: 'v1.30.5+k3s1',
  nodeName: 'n',
});

const THIRD = 'instance-00000000-0000-4000-8000-00000000000c';
const joined = (instanceId: string): ClusterCommand[] => [
  { type: 'request_join', instanceId, role: 'server', target: null } as never,
  ready(instanceId),
];

const play = (
  ...commands: ClusterCommand[]
): { state: ClusterState; last: ReturnType<typeof clusterDecider.decide>; events: ClusterEvent[] } => {
  let state: ClusterState = absent;
  let last = clusterDecider.decide(commands[0]!, state);
  const events: ClusterEvent[] = [];
  for (const command of commands) {
    last = clusterDecider.decide(command, state);
    if (last.kind !== 'accept') continue;
    events.push(...last.events);
    state = last.events.reduce((s, e) => clusterDecider.evolve(s, e), state);
  }
  return { state, last, events };
};

describe('a cluster', () => {
  it('is claimed once; later claims of the same assignment find it claimed', () => {
    const { last, state } = play(claim, claim);
    expect(last).toEqual({ kind: 'nothing', reason: 'already_claimed' });
    expect((state as Cluster).claimant).toBe(INSTANCE_A);
  });

  it('goes from claim to active in the order of the tutorial', () => {
    const { events, state } = play(claim, bootstrap(INSTANCE_A), bootstrapped, ready(INSTANCE_A));
    expect(events.map((e) => e.type)).toEqual([
      'system.cluster.claimed',
      'system.k3s.handshake.bootstrap',
      'system.k3s.cluster.bootstrapped',
      'system.k3s.handshake.ready',
    ]);
    expect(state.status).toBe('active');
  });

  it('answers the same bootstrap again, also with a renewed kubeconfig, and refuses that of another cluster', () => {
    expect(play(claim, bootstrap(INSTANCE_A), bootstrap(INSTANCE_A)).last).toMatchObject({ kind: 'nothing' });
    expect(play(claim, bootstrap(INSTANCE_A), bootstrap(INSTANCE_A, 'd2')).last).toMatchObject({ kind: 'nothing' });
    expect(play(claim, bootstrap(INSTANCE_A), bootstrap(INSTANCE_A, 'd2', 'other')).last).toMatchObject({
      kind: 'reject',
      refusal: { code: 'bootstrap_conflict', status: 409 },
    });
  });

  it('refuses a bootstrap from a server that did not claim it', () => {
    expect(play(claim, bootstrap(INSTANCE_B)).last).toMatchObject({
      kind: 'reject',
      refusal: { code: 'not_the_claimant' },
    });
  });

  it('moves an unbootstrapped claim, but never a bootstrapped one', () => {
    expect((play(claim, { type: 'move_claim', to: INSTANCE_B, reason: 'lost' }).state as Cluster).claimant).toBe(
      INSTANCE_B,
    );
    const { last } = play(claim, bootstrap(INSTANCE_A), { type: 'move_claim', to: INSTANCE_B, reason: 'lost' });
    expect(last.kind).toBe('nothing');
  });

  it('puts a joining node’s ready under the join topic, and refuses ready from a stranger', () => {
    const joined = play(
      claim,
      bootstrap(INSTANCE_A),
      bootstrapped,
      ready(INSTANCE_A),
      {
        type: 'request_join',
        instanceId: INSTANCE_B,
        role: 'agent',
        target: null,
      },
      ready(INSTANCE_B, 'agent'),
    );
    expect(joined.events.at(-1)).toMatchObject({
      type: 'system.k3s.handshake.ready',
      topics: ['system.k3s.handshake.join'],
      data: { role: 'agent' },
    });
    expect(play(claim, bootstrap(INSTANCE_A), ready(INSTANCE_B)).last).toMatchObject({
      kind: 'reject',
      refusal: { code: 'not_joining' },
    });
  });

  it('refuses everything after its decommission', () => {
    expect(play(claim, { type: 'decommission' }, bootstrap(INSTANCE_A)).last).toMatchObject({
      kind: 'reject',
      refusal: { code: 'cluster_decommissioned' },
    });
  });

  it('tolerates what its datastore tolerates, counted with the servers that are alive', () => {
    const server = (status: 'ready' | 'not_ready' | 'joining') =>
      ({ role: 'server', status, version: null, nodeName: null }) as const;
    const tolerance = (datastore: 'etcd' | 'external', ...states: ('ready' | 'not_ready' | 'joining')[]) =>
      faultTolerance({ datastore, nodes: new Map(states.map((s, i) => [`i${i}`, server(s)])) });
    expect([1, 2, 3, 4, 5].map((n) => tolerance('etcd', ...Array<'ready'>(n).fill('ready')))).toEqual([0, 0, 1, 1, 2]);
    expect(tolerance('etcd', 'ready', 'ready', 'not_ready')).toBe(0);
    expect(tolerance('etcd', 'ready', 'ready', 'joining')).toBe(0);
    expect([1, 2, 3].map((n) => tolerance('external', ...Array<'ready'>(n).fill('ready')))).toEqual([0, 1, 2]);
  });

  it('refuses to let its only server join when that server has lost its disk', () => {
    const again: ClusterCommand = { type: 'request_join', instanceId: INSTANCE_A, role: 'server', target: null };
    const alone = play(claim, bootstrap(INSTANCE_A), bootstrapped, ready(INSTANCE_A), again);
    expect(alone.last).toMatchObject({ kind: 'reject', refusal: { code: 'no_server_to_join', status: 409 } });
    const second: ClusterCommand = { ...again, instanceId: INSTANCE_B };
    const both = play(claim, bootstrap(INSTANCE_A), bootstrapped, ready(INSTANCE_A), second, ready(INSTANCE_B), again);
    expect(both.last).toMatchObject({ kind: 'accept' });
  });

  it('is degraded anew for another reason, and not for the same one', () => {
    const away: ClusterCommand = { type: 'degrade', reason: '1 of 3 servers is not ready' };
    const lost: ClusterCommand = { type: 'degrade', reason: 'etcd has no quorum' };
    const begun = [claim, bootstrap(INSTANCE_A), bootstrapped, ready(INSTANCE_A), away] as const;
    expect(play(...begun, away).last.kind).toBe('nothing');
    const { state, last } = play(...begun, lost);
    expect([last.kind, (state as Cluster).lastError]).toEqual(['accept', lost.reason]);
  });
});

describe('a server that stands aside, drained', () => {
  const three = [
    claim,
    bootstrap(INSTANCE_A),
    bootstrapped,
    ready(INSTANCE_A),
    ...joined(INSTANCE_B),
    ...joined(THIRD),
  ];
  const silent = (instanceId: string) =>
    ({ type: 'not_ready', instanceId, reason: 'no sign of life for 9000 ms' }) as const;
  const of = (...more: ClusterCommand[]) => {
    const { state, events } = play(...three, ...more);
    const cluster = state as Cluster;
    return [cluster.nodes.get(THIRD)!.status, faultTolerance(cluster), events.length - play(...three).events.length];
  };
  const drain = { type: 'draining', instanceId: THIRD } as const;
  const back = { type: 'ready_again', instanceId: THIRD } as const;
  const uncordon = { type: 'uncordoned', instanceId: THIRD } as const;

  it('is one server less as soon as its machine is switched off, and stands aside again when it is back', () => {
    expect(of(drain)).toEqual(['draining', 1, 1]);
    expect(of(drain, silent(THIRD))).toEqual(['not_ready', 0, 2]);
    expect(of(drain, silent(THIRD), back)).toEqual(['draining', 1, 3]);
    expect(of(drain, silent(THIRD), back, uncordon)).toEqual(['ready', 1, 4]);
  });

  it('stands aside still when its K3s was started anew, until it is uncordoned; one that joins anew does not', () => {
    expect(of(drain, ready(THIRD))).toEqual(['draining', 1, 2]);
    expect(of(drain, silent(THIRD), ready(THIRD))).toEqual(['draining', 1, 3]);
    expect(of(drain, ready(THIRD), uncordon)).toEqual(['ready', 1, 3]);
    expect(of(drain, ...joined(THIRD)).at(0)).toBe('ready');
  });

  it('is no server more for being drained while it is dead, and back at work if it was uncordoned meanwhile', () => {
    expect(of(silent(THIRD), drain)).toEqual(['not_ready', 0, 2]);
    expect(of(silent(THIRD), drain, drain, back)).toEqual(['draining', 1, 3]);
    expect(of(silent(THIRD), drain, uncordon, uncordon)).toEqual(['not_ready', 0, 3]);
    expect(of(silent(THIRD), drain, uncordon, back)).toEqual(['ready', 1, 4]);
  });
});

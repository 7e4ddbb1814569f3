import { sha256Hex, type DomainEvent } from '#kernel';
import { agentV1 } from '#proto';
import { NodeNotReady, NodeReadyAgain } from '../domain/cluster/events.js';
import { handshakeRig, VIP, type HandshakeRig } from '../testing/handshake-rig.js';

const { RUNTIME_K3S_SERVER: SERVER, RUNTIME_K3S_AGENT: WORKER } = agentV1.Runtime;
const { PHASE_BOOTSTRAP, PHASE_JOIN_REQUEST, PHASE_READY, PHASE_INSTALLING, PHASE_FAILED, PHASE_STOPPED } =
  agentV1.Phase;

const KUBECONFIG = `apiVersion: v1
kind: Config
clusters: [{name: default, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: Y2E=}}]
users: [{name: default, user: {client-key-data: c2VjcmV0LWtleQ==}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
current-context: default
`;
const SERVER_TOKEN = `K10${'a'.repeat(64)}::server:server-secret`;
const bootstrap = {
  runtime: SERVER,
  phase: PHASE_BOOTSTRAP,
  kubeconfig: KUBECONFIG,
  serverToken: SERVER_TOKEN,
  agentToken: SERVER_TOKEN,
  caPem: 'ca',
  version: 'v1.30.5+k3s1',
};
const ready = (runtime: agentV1.Runtime) => ({ runtime, phase: PHASE_READY, version: 'v1.30.5+k3s1', nodeName: 'n' });

/** A cluster of one server, made the way the tutorial makes it. */
const oneServer = async (rig: HandshakeRig, name = 's1', assignment = 'k3s-server' as never) => {
  await rig.instance(name);
  await rig.peer(name, 1 + Number(name.slice(1)));
  await rig.assign(name, 'k3s-server', assignment);
  await rig.phase(name, bootstrap);
  await rig.phase(name, ready(SERVER));
};

let rig: HandshakeRig;
beforeEach(async () => {
  rig = handshakeRig();
  await rig.network();
});

it('tells a failure anew when the node was well since the last one, though the reason is the same', async () => {
  await oneServer(rig);
  const reason = 'no space';
  const data = { instance_id: rig.id('s1'), module_name: 'k3s-server', reason };
  const failed = { type: 'system.module.failed', data } satisfies DomainEvent;
  const fails = async () => {
    await rig.phase('s1', { runtime: SERVER, phase: PHASE_FAILED, error: reason });
    return rig.sent.at(-1);
  };
  expect(await fails()).toMatchObject({ module_name: 'k3s-server', reason, anew: true });
  await rig.happened(rig.id('s1'), failed);
  expect(await fails()).toMatchObject({ reason, anew: false });
  const cluster = rig.directory.clusterOfMember(rig.id('s1'))!;
  const ids = { cluster_id: cluster.id as never, instance_id: rig.id('s1') };
  await rig.happened(cluster.id, NodeNotReady({ ...ids, reason: 'away' }), NodeReadyAgain(ids));
  expect(await fails()).toMatchObject({ reason, anew: true });
});

describe('the first server', () => {
  it('waits for its peer, then for its claim, and has the VIP in its certificate names before the first start', async () => {
    await rig.instance('s1');
    await rig.assign('s1', 'k3s-server');
    expect(rig.compiled('s1').get('module/k3s-server')).toMatchObject({ runtime: { state: 'wait' } });
    await rig.peer('s1', 2);
    expect(rig.compiled('s1').get('module/k3s-server')).toMatchObject({
      runtime: {
        state: 'run',
        role: 'init',
        tls_san: [VIP, 'fd00:abcd:1::1:2', '100.64.0.2'],
        node_ips: ['fd00:abcd:1::1:2', '100.64.0.2'],
        api_endpoint: `https://[${VIP}]:6443`,
      },
    });
  });

  it('bootstraps in the order of the tutorial and is answered the same when it asks again', async () => {
    await oneServer(rig);
    expect(await rig.kinds('system.k3s')).toEqual([
      'system.k3s.module.assigned',
      'system.k3s.handshake.bootstrap',
      'system.k3s.cluster.bootstrapped',
      'system.k3s.handshake.ready',
    ]);
    const again = await rig.phase('s1', bootstrap);
    expect(again).toMatchObject({
      $case: 'ack',
      value: { clusterStatus: 'active', apiEndpoint: `https://[${VIP}]:6443` },
    });
    expect(await rig.kinds('system.k3s.handshake.bootstrap')).toHaveLength(1);
  });

  it('keeps secrets out of the log, and the kubeconfig that was stored first', async () => {
    await oneServer(rig);
    const other = { ...bootstrap, caPem: 'another', kubeconfig: KUBECONFIG.replace('c2VjcmV0', 'b3RoZXI') };
    await expect(rig.phase('s1', other)).rejects.toMatchObject({
      refusal: { code: 'bootstrap_conflict', status: 409 },
    });
    const cluster = [...rig.directory.clusters.values()][0]!;
    const kept = await rig.secrets.get(cluster.kubeconfigRef!);
    expect(kept).toContain(`server: https://[${VIP}]:6443`);
    expect(kept).toContain('c2VjcmV0LWtleQ==');
    const log = JSON.stringify((await rig.store.readAll(0n as never, { limit: 1_000 })).events, (_, v: unknown) =>
      typeof v === 'bigint' ? v.toString() : v,
    );
    expect(log).not.toContain('c2VjcmV0LWtleQ');
    expect(log).not.toContain('server-secret');
  });

  it('has the kubeconfig and the token of the bootstrap that was recorded, when another one races it', async () => {
    await rig.instance('s1');
    await rig.peer('s1', 2);
    await rig.assign('s1', 'k3s-server');
    const token = `K10${'b'.repeat(64)}::server:other-token`;
    const other = {
      ...bootstrap,
      caPem: 'another',
      serverToken: token,
      kubeconfig: KUBECONFIG.replace('c2VjcmV0', 'b3Ro'),
    };
    const answers = await Promise.allSettled([rig.phase('s1', bootstrap), rig.phase('s1', other)]);
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const cluster = [...rig.directory.clusters.values()][0]!;
    const recorded = cluster.caPem === 'another' ? other : bootstrap;
    const kept = (await rig.secrets.get(cluster.kubeconfigRef!))!;
    expect(sha256Hex(kept)).toBe(cluster.kubeconfigDigest);
    expect(kept.includes('b3Ro')).toBe(recorded === other);
    expect(await rig.secrets.get(cluster.serverTokenRef!)).toBe(recorded.serverToken);
  });

  it('gets flannel over the overlay when the network has a pod_subnet_prefix', async () => {
    rig = handshakeRig();
    await rig.network('10.42.0.0/16');
    await rig.instance('s1');
    await rig.peer('s1', 2);
    await rig.assign('s1', 'k3s-server');
    expect(rig.compiled('s1').get('module/k3s-server')).toMatchObject({
      runtime: {
        args: ['--flannel-iface=wg-sdwan-a1b2c3', '--flannel-backend=host-gw', '--cluster-cidr=10.42.0.0/16'],
      },
    });
  });

  it('is told that pod_subnet_prefix is ignored on ovn_kubernetes', async () => {
    rig = handshakeRig();
    await rig.network('10.42.0.0/16');
    await rig.instance('s1', 16);
    await rig.peer('s1', 2);
    await rig.assign('s1', 'k3s-server');
    expect(await rig.kinds('system.cluster_bootstrap')).toEqual(['system.cluster_bootstrap.pod_subnet_prefix_ignored']);
  });
});

describe('a claimant that is gone before it bootstrapped', () => {
  const server = async (name: string, n: number) => {
    await rig.instance(name);
    await rig.peer(name, n);
    await rig.assign(name, 'k3s-server');
  };
  const claimant = () => [...rig.directory.clusters.values()][0]!.claimant;

  it('leaves its claim to another server of the assignment, which bootstraps', async () => {
    await server('s1', 2);
    await server('s2', 3);
    expect(claimant()).toBe(rig.id('s1'));
    await rig.terminated('s1');
    expect(claimant()).toBe(rig.id('s2'));
    expect(rig.compiled('s2').get('module/k3s-server')).toMatchObject({ runtime: { role: 'init' } });
    expect(await rig.phase('s2', bootstrap)).toMatchObject({ $case: 'ack' });
  });

  it('leaves it to the next server that comes, when there is none', async () => {
    await server('s1', 2);
    await rig.terminated('s1');
    await server('s2', 3);
    expect(claimant()).toBe(rig.id('s2'));
  });
});

describe('a server that is attached anew', () => {
  it('is a VIP candidate as the new peer', async () => {
    await oneServer(rig);
    await rig.detached('s1');
    await rig.peer('s1', 7, 1);
    expect(rig.sent.at(-1)).toMatchObject({
      candidates: [{ instance_id: rig.id('s1'), peer_id: rig.peerId('s1', 1) }],
    });
  });
});

describe('a joining server', () => {
  it('belongs to its assignment’s cluster, waits until that is bootstrapped, and gets the server token', async () => {
    await rig.instance('s1');
    await rig.peer('s1', 2);
    await rig.instance('s2');
    await rig.peer('s2', 3);
    await rig.assign('s1', 'k3s-server');
    await rig.assign('s2', 'k3s-server');
    expect(rig.compiled('s2').get('module/k3s-server')).toMatchObject({ runtime: { role: 'join', state: 'run' } });
    const join = { runtime: SERVER, phase: PHASE_JOIN_REQUEST };
    expect(await rig.phase('s2', join)).toMatchObject({ $case: 'retryAfterMs' });
    await rig.phase('s1', bootstrap);
    await rig.phase('s1', ready(SERVER));
    expect(await rig.phase('s2', join)).toMatchObject({ $case: 'ack', value: { serverToken: SERVER_TOKEN } });
    expect(await rig.phase('s2', ready(SERVER))).toMatchObject({ $case: 'ack', value: { role: 'control-plane' } });
    expect(rig.directory.clusters.size).toBe(1);
  });

  it('waits while another server is joining, so that etcd grows by one member at a time', async () => {
    await oneServer(rig);
    for (const [name, n] of [
      ['s2', 3],
      ['s3', 4],
    ] as const) {
      await rig.instance(name);
      await rig.peer(name, n);
      await rig.assign(name, 'k3s-server');
    }
    const join = { runtime: SERVER, phase: PHASE_JOIN_REQUEST };
    expect(await rig.phase('s2', join)).toMatchObject({ $case: 'ack' });
    expect(await rig.phase('s3', join)).toMatchObject({ $case: 'retryAfterMs' });
    await rig.phase('s2', ready(SERVER));
    expect(await rig.phase('s3', join)).toMatchObject({ $case: 'ack' });
  });

  it('may not bootstrap a second cluster', async () => {
    await oneServer(rig);
    await rig.instance('s2');
    await rig.peer('s2', 3);
    await rig.assign('s2', 'k3s-server');
    await expect(rig.phase('s2', bootstrap)).rejects.toMatchObject({ refusal: { code: 'not_the_claimant' } });
  });
});

describe('servers on an external datastore', () => {
  const endpoint = 'postgres://k3s:hunter2@db/k3s';
  const join = { runtime: SERVER, phase: PHASE_JOIN_REQUEST };
  const token = (answer: Awaited<ReturnType<HandshakeRig['phase']>>) =>
    answer?.$case === 'ack' ? answer.value.serverToken : undefined;

  it('get the endpoint and one token for all when they ask, whoever comes first, and none of it is in the log', async () => {
    const { ref } = await rig.secrets.put('template-1', 'datastore_endpoint.1', endpoint);
    for (const [name, n] of [
      ['s1', 2],
      ['s2', 3],
    ] as const) {
      await rig.instance(name);
      await rig.peer(name, n);
      await rig.assign(name, 'k3s-server', 'k3s-server', { datastore_endpoint_ref: ref });
    }
    expect(rig.compiled('s1').get('module/k3s-server')).toMatchObject({
      runtime: { datastore: 'external', role: 'init' },
    });
    const first = await rig.phase('s1', join);
    expect(first).toMatchObject({ $case: 'ack', value: { datastoreEndpoint: endpoint } });
    await rig.terminated('s1');
    const second = await rig.phase('s2', join);
    expect(token(second)).toHaveLength(48);
    expect(token(second)).toBe(token(first));
    await rig.phase('s2', bootstrap);
    await rig.phase('s2', ready(SERVER));
    const log = JSON.stringify((await rig.store.readAll(0n as never, { limit: 1_000 })).events, (_, v: unknown) =>
      typeof v === 'bigint' ? v.toString() : v,
    );
    for (const secret of ['hunter2', token(first)!]) expect(log).not.toContain(secret);
    expect(await rig.kinds('system.k3s.handshake.join')).toEqual([]);
  });
});

describe('a worker', () => {
  const join = { runtime: WORKER, phase: PHASE_JOIN_REQUEST };
  const worker = async (config: Record<string, unknown> = {}) => {
    await rig.instance('w1');
    await rig.peer('w1', 9);
    await rig.assign('w1', 'k3s-agent', 'k3s-agent', config);
  };

  it('gets a token of its own, and the same request again gets the same one', async () => {
    await oneServer(rig);
    await worker();
    const first = await rig.phase('w1', { ...join, requestId: 'same' });
    expect(first).toMatchObject({
      $case: 'ack',
      value: { agentToken: rig.minted.token, apiEndpoint: `https://[${VIP}]:6443` },
    });
    expect(await rig.phase('w1', { ...join, requestId: 'same' })).toEqual(first);
    expect(await rig.kinds('system.k3s.handshake.join')).toEqual([
      'system.k3s.handshake.join_request',
      'system.k3s.handshake.join_token_issued',
    ]);
  });

  it('is refused with the candidates when the account has two clusters and it names none; one event, however often', async () => {
    await oneServer(rig, 's1');
    await oneServer(rig, 's2', 'another' as never);
    await worker();
    for (let i = 0; i < 3; i++) {
      await expect(rig.phase('w1', join)).rejects.toMatchObject({
        refusal: { status: 409, code: 'AmbiguousClusterError', candidates: [{}, {}] },
      });
    }
    expect(await rig.kinds('system.k3s.handshake.join_refused')).toHaveLength(1);
  });

  it('joins the cluster that its assignment names, and no other', async () => {
    await oneServer(rig, 's1');
    await oneServer(rig, 's2', 'another' as never);
    const second = [...rig.directory.clusters.values()][1]!;
    await worker({ target_cluster_id: second.id });
    expect(await rig.phase('w1', join)).toMatchObject({ $case: 'ack', value: { clusterId: second.id } });
  });

  it('does not choose a cluster by itself when its assignment names none', async () => {
    await oneServer(rig, 's1');
    await oneServer(rig, 's2', 'another' as never);
    const second = [...rig.directory.clusters.values()][1]!;
    await worker();
    const asked = { ...join, targetClusterId: second.id };
    await expect(rig.phase('w1', asked)).rejects.toMatchObject({ refusal: { code: 'AmbiguousClusterError' } });
    const server = { runtime: SERVER, phase: PHASE_JOIN_REQUEST, targetClusterId: second.id };
    // Its own cluster is meant, and that has no other server.
    await expect(rig.phase('s1', server)).rejects.toMatchObject({ refusal: { code: 'no_server_to_join' } });
  });

  it('keeps the node name that the platform gave it, so that a drain of it never evicts another node', async () => {
    await oneServer(rig, 's1');
    await worker();
    await rig.phase('w1', join);
    await rig.phase('w1', { ...ready(WORKER), nodeName: 's1' });
    const cluster = [...rig.directory.clusters.values()][0]!;
    expect(cluster.nodes.get(rig.id('w1'))?.nodeName).toBe('w1');
  });

  it('is refused by name when the target is unknown, when there is no cluster, and when it has no peer', async () => {
    await worker({ target_cluster_id: 'k3s-cluster-9' });
    await expect(rig.phase('w1', join)).rejects.toMatchObject({ refusal: { status: 404, field: 'target_cluster_id' } });
    await rig.assign('w1', 'k3s-agent');
    await expect(rig.phase('w1', join)).rejects.toMatchObject({
      refusal: { status: 422, code: 'NoClusterAvailableError' },
    });
    await oneServer(rig);
    await rig.instance('w2');
    await rig.assign('w2', 'k3s-agent');
    await expect(rig.phase('w2', join)).rejects.toMatchObject({
      refusal: { status: 422, code: 'MissingSdwanPeerError' },
    });
  });
});

describe('phases that do not fit', () => {
  it('are refused with the reason: module not assigned, phase not allowed, missing field', async () => {
    await rig.instance('s1');
    await expect(rig.phase('s1', { runtime: SERVER, phase: PHASE_INSTALLING })).rejects.toMatchObject({
      refusal: { status: 403, code: 'module_not_assigned' },
    });
    await expect(rig.phase('s1', { runtime: WORKER, phase: PHASE_BOOTSTRAP })).rejects.toMatchObject({
      refusal: { status: 422, code: 'phase_not_allowed', field: 'phase' },
    });
    await rig.peer('s1', 2);
    await rig.assign('s1', 'k3s-server');
    await expect(rig.phase('s1', { ...bootstrap, caPem: '' })).rejects.toMatchObject({
      refusal: { status: 422, field: 'caPem' },
    });
    await expect(rig.phase('s1', { ...bootstrap, serverToken: 'short' })).rejects.toMatchObject({
      refusal: { status: 422, field: 'server_token' },
    });
    await expect(rig.phase('s1', { ...bootstrap, caPem: 'x'.repeat(1_000_000) })).rejects.toMatchObject({
      refusal: { status: 413, field: 'caPem' },
    });
    await expect(rig.phase('s1', { ...bootstrap, requestId: 'x'.repeat(1_000) })).rejects.toMatchObject({
      refusal: { status: 413, field: 'requestId' },
    });
    await expect(rig.phase('s1', { ...bootstrap, kubeconfig: 'not one' })).rejects.toMatchObject({
      refusal: { status: 400, field: 'kubeconfig' },
    });
  });
});

it('hears of a K3s that is to go and that nobody assigns any more: that it has ended, or why it cannot be stopped', async () => {
  await rig.instance('w1');
  const error = 'k3s has not ended: process 71';
  expect(await rig.phase('w1', { runtime: WORKER, phase: PHASE_FAILED, error, stopping: true })).toMatchObject({
    $case: 'ack',
  });
  expect(rig.sent.at(-1)).toEqual({ instance_id: rig.id('w1'), module_name: 'k3s-agent', stuck: error });
  expect(await rig.phase('w1', { runtime: WORKER, phase: PHASE_STOPPED })).toMatchObject({ $case: 'ack' });
  expect(rig.sent.at(-1)).toEqual({ instance_id: rig.id('w1'), module_name: 'k3s-agent', stuck: null });
  await expect(rig.phase('w1', { runtime: WORKER, phase: PHASE_FAILED, error })).rejects.toMatchObject({
    refusal: { code: 'module_not_assigned' },
  });
});

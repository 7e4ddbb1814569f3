import { agentV1 } from '#proto';
import { oneServer, ready } from '../testing/handshake-cluster.js';
import { handshakeRig, VIP, type HandshakeRig } from '../testing/handshake-rig.js';

const { RUNTIME_K3S_SERVER: SERVER, RUNTIME_K3S_AGENT: WORKER } = agentV1.Runtime;
const { PHASE_JOIN_REQUEST } = agentV1.Phase;

let rig: HandshakeRig;
beforeEach(async () => {
  rig = handshakeRig();
  await rig.network();
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

import { sha256Hex } from '#kernel';
import { bootstrap, KUBECONFIG, oneServer } from '../testing/handshake-cluster.js';
import { handshakeRig, VIP, type HandshakeRig } from '../testing/handshake-rig.js';

let rig: HandshakeRig;
beforeEach(async () => {
  rig = handshakeRig();
  await rig.network();
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

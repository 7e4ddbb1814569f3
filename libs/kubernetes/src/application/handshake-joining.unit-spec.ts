import { agentV1 } from '#proto';
import { bootstrap, oneServer, ready, SERVER_TOKEN } from '../testing/handshake-cluster.js';
import { handshakeRig, type HandshakeRig } from '../testing/handshake-rig.js';

const { RUNTIME_K3S_SERVER: SERVER } = agentV1.Runtime;
const { PHASE_JOIN_REQUEST } = agentV1.Phase;

let rig: HandshakeRig;
beforeEach(async () => {
  rig = handshakeRig();
  await rig.network();
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

import type { DomainEvent } from '#kernel';
import { agentV1 } from '#proto';
import { NodeNotReady, NodeReadyAgain } from '../domain/cluster/events.js';
import { bootstrap, oneServer } from '../testing/handshake-cluster.js';
import { handshakeRig, type HandshakeRig } from '../testing/handshake-rig.js';

const { RUNTIME_K3S_SERVER: SERVER, RUNTIME_K3S_AGENT: WORKER } = agentV1.Runtime;
const { PHASE_BOOTSTRAP, PHASE_INSTALLING, PHASE_FAILED, PHASE_STOPPED } = agentV1.Phase;

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

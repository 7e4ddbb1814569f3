import 'reflect-metadata';
import { status } from '@grpc/grpc-js';
import { refusal, RefusedError, systemTimers, type Timers } from '#kernel';
import { agentV1 } from '#proto';
import { failure, gatewayUnderTest } from './testing/agents.js';
import { agentClient, until } from './testing/client.js';
import { derToPem, instanceNo, makeCsr, startRig } from './testing/rig.js';

/** The look at everybody that is there for what is missed otherwise does not come: what is shown here came by itself. */
const timers: Timers = {
  after: (delayMs, run) => systemTimers.after(delayMs, run),
  every: (intervalMs, run) => (intervalMs < 5_000 ? systemTimers.every(intervalMs, run) : () => undefined),
};

describe('the agent gateway over real TLS', () => {
  const settled: string[] = [];
  const under = gatewayUnderTest(() =>
    startRig({ timers }, (gateway) => {
      gateway.addObserver({
        onSettled: (event) => void settled.push(`${event.section}:${event.applied}:${event.behind.length}`),
      });
      gateway.addPhaseHandler({
        runtimes: [agentV1.Runtime.RUNTIME_K3S_SERVER],
        handle: async (agent, request) => {
          if (request.phase === agentV1.Phase.PHASE_BOOTSTRAP) {
            throw new RefusedError(refusal(403, 'module_not_assigned', 'not assigned', { hint: 'assign it' }));
          }
          return { result: { $case: 'ack', value: agentV1.PhaseAck.fromPartial({ nodeId: agent.instanceId }) } };
        },
      });
    }),
  );
  const { enrolled, of: agentOf } = under.agents;

  it('enrols with a join token, and answers Hello with Welcome and a complete snapshot', async () => {
    const identity = await enrolled();
    await under.rig.desire([identity.instanceId], 'modules', { 'module/k3s-server': { name: 'k3s-server' } });
    const agent = agentOf(identity).connect();
    await until('snapshot', () => agent.of('snapshot').length === 1);
    expect(agent.of('welcome')[0]).toMatchObject({
      storeEpoch: 'epoch-1',
      beatMs: 200,
      leaseMs: 600,
      instanceId: identity.instanceId,
    });
    expect(agent.item('modules', 'module/k3s-server')).toEqual({ name: 'k3s-server' });
    await until(
      'receipt',
      () =>
        under.rig.gateway.liveness(identity.instanceId).applied.get('modules') ===
        agent.sections.get('modules')!.generation,
    );
    expect(under.rig.gateway.liveness(identity.instanceId).connected).toBe(true);
  });

  it('pushes deltas against what was sent last, drops sections that are gone, and tells when a generation has settled', async () => {
    const identity = await enrolled();
    const agent = agentOf(identity).connect();
    await until('snapshot', () => agent.of('snapshot').length === 1);
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`peer/${i}`, { i }]));
    await under.rig.desire([identity.instanceId], 'network/n', many);
    await until('section', () => agent.sections.get('network/n')?.items.size === 20);
    await under.rig.desire([identity.instanceId], 'network/n', { 'peer/3': { i: 33 }, 'peer/4': null });
    await until('delta', () => agent.of('delta').length === 1);
    expect([agent.item('network/n', 'peer/3'), agent.item('network/n', 'peer/4')]).toEqual([{ i: 33 }, undefined]);
    await until('settled', () => settled.includes('network/n:1:0'));
    await under.rig.desire([identity.instanceId], 'modules', { m: { a: 1 } });
    await until('second section', () => agent.sections.has('modules'));
    await under.rig.desire(
      [identity.instanceId],
      'network/n',
      Object.fromEntries(Object.keys(many).map((k) => [k, null])),
    );
    await until('section gone', () => !agent.sections.has('network/n'));
    expect(agent.sections.has('modules')).toBe(true);
    expect(agent.problems).toEqual([]);
  });

  it('resumes with hashes only: after a reconnect just the changed section travels, and deltas continue from it', async () => {
    const identity = await enrolled();
    await under.rig.desire([identity.instanceId], 'a', { x: { v: 1 } });
    await under.rig.desire([identity.instanceId], 'b', { x: { v: 1 } });
    const agent = agentOf(identity).connect();
    await until('both', () => agent.sections.size === 2);
    agent.send({ $case: 'log', value: { level: 'info', message: 'bye' } });
    await under.rig.desire([identity.instanceId], 'b', { x: { v: 2 } });
    await until('b', () => (agent.item('b', 'x') as { v: number }).v === 2);
    agent.seen.length = 0;
    agent.connect({ startCounter: 2n });
    await until('snapshot', () => agent.of('snapshot').length === 1);
    expect(agent.of('snapshot')[0]).toMatchObject({ sections: [], complete: true, unchanged: ['a', 'b'] });
    await under.rig.desire([identity.instanceId], 'a', { y: { v: 3 } });
    await until('delta', () => agent.item('a', 'y') !== undefined);
    expect([agent.of('delta').length, agent.problems]).toEqual([1, []]);
  });

  it('sends the whole truth again on another Hello', async () => {
    const identity = await enrolled();
    await under.rig.desire([identity.instanceId], 'a', { x: { v: 1 } });
    const agent = agentOf(identity).connect();
    await until('a', () => agent.sections.has('a'));
    agent.send({ $case: 'hello', value: agentV1.Hello.fromPartial({ bootId: 'boot-1', startCounter: 1n }) });
    await until('again', () => agent.of('snapshot').length === 2);
    expect(agent.of('snapshot')[1]!.sections.map((s) => s.name)).toEqual(['a']);
  });

  it('ends the open stream of a revoked certificate once its event is there, and refuses its calls; a forgotten one is told to wipe', async () => {
    const identity = await enrolled();
    const agent = agentOf(identity).connect();
    await until('snapshot', () => agent.of('snapshot').length === 1);
    under.rig.enrollment.revoked.set(identity.instanceId, { wipe: true });
    await under.rig.append(identity.instanceId, 'test.revoked', {});
    await until('bye', () => agent.ended !== undefined);
    expect(agent.of('bye')).toEqual([{ code: 'certificate_revoked', message: 'revoked', wipe: true }]);
    const error = await failure((done) => agent.tunnelClient().renewCertificate({ csrDer: Buffer.alloc(0) }, done));
    expect([error.code, error.details]).toEqual([status.PERMISSION_DENIED, 'certificate_revoked: revoked']);
    agent.connect();
    await until('bye again', () => agent.of('bye').length === 2);
  });

  it('renews a certificate over mTLS', async () => {
    const identity = await enrolled();
    const { csrDer, keyPem } = await makeCsr();
    const client = agentClient(under.rig.agentAddress, identity);
    const renewed = await new Promise<agentV1.RenewCertificateResponse>((resolve, reject) =>
      client.renewCertificate({ csrDer }, (e, r) => (e === null ? resolve(r) : reject(e))),
    );
    client.close();
    const agent = agentOf({ ...identity, keyPem, certPem: derToPem(renewed.certificateDer) }).connect();
    await until('welcome with the new certificate', () => agent.of('welcome').length === 1);
  });

  it('hands phases to the runtime that owns them; a refusal is an answer that names what to do', async () => {
    const client = agentClient(under.rig.agentAddress, await enrolled());
    const report = (request: Partial<agentV1.ReportPhaseRequest>) =>
      new Promise<agentV1.ReportPhaseResponse['result']>((resolve, reject) =>
        client.reportPhase(agentV1.ReportPhaseRequest.fromPartial(request), (e, r) =>
          e === null ? resolve(r.result) : reject(e),
        ),
      );
    const runtime = agentV1.Runtime.RUNTIME_K3S_SERVER;
    expect(await report({ runtime, phase: agentV1.Phase.PHASE_READY })).toMatchObject({
      $case: 'ack',
      value: { nodeId: instanceNo(under.agents.newest) },
    });
    expect(await report({ runtime, phase: agentV1.Phase.PHASE_BOOTSTRAP })).toMatchObject({
      $case: 'refusal',
      value: { code: 'module_not_assigned', status: 403, hint: 'assign it' },
    });
    expect(await report({ runtime: agentV1.Runtime.RUNTIME_DOCKER })).toMatchObject({
      value: { code: 'unknown_runtime', field: 'runtime', hint: 'one of RUNTIME_K3S_SERVER' },
    });
    client.close();
  });

  it('answers beats, and ends nothing when an unknown message comes', async () => {
    const agent = agentOf(await enrolled()).connect();
    await until('live', () => agent.of('snapshot').length === 1);
    agent.send(undefined as never);
    agent.beat();
    await until('ack', () => agent.of('heartbeatAck').length === 1);
  });

  it('sends VIP items ahead of bulk to an agent that reads slowly, and merges what piled up into one update', async () => {
    const identity = await enrolled();
    const slow = agentOf(identity);
    const call = slow.tunnelClient().sync();
    call.on('error', () => undefined);
    const seen: agentV1.SyncResponse[] = [];
    // grpc-js stops reading only after it has begun to: take the first message, then no more.
    call.on('data', (m: agentV1.SyncResponse) => {
      if (seen.push(m) === 1) call.pause();
    });
    call.write({ message: { $case: 'hello', value: agentV1.Hello.fromPartial({ bootId: 'b', startCounter: 1n }) } });
    await until('live', () => under.rig.gateway.liveness(identity.instanceId).connected);
    for (let round = 0; round < 40; round++) {
      const items = Object.fromEntries(
        Array.from({ length: 12 }, (_, i) => [`k${i}`, { round, pad: 'x'.repeat(60_000) }]),
      );
      await under.rig.desire([identity.instanceId], 'bulk', items);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    const item = {
      vip_id: 'virtual_ip-1',
      network_id: 'n',
      address: 'fd00::1',
      epoch: 7,
      holder_peer_id: null,
      route_peer_id: null,
      role: 'member' as const,
      release_after_move: false,
      lease: null,
    };
    expect(under.rig.gateway.sendVip(identity.instanceId, item)).toBe(true);
    call.resume();
    const last = () => {
      const bulk = seen.flatMap((m) => (m.message?.$case === 'snapshot' ? m.message.value.sections : []));
      return bulk.length === 0 ? undefined : JSON.parse(String(bulk.at(-1)!.items['k0'])).round;
    };
    await until('converged', () => last() === 39);
    const kinds = seen.map((m) => m.message!.$case);
    expect(kinds.indexOf('vip')).toBeLessThan(kinds.lastIndexOf('snapshot'));
    expect(kinds.filter((k) => k === 'snapshot').length).toBeLessThan(35);
    call.cancel();
  });
});

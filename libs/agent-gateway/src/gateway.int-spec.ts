import 'reflect-metadata';
import { status } from '@grpc/grpc-js';
import { refusal, RefusedError } from '#kernel';
import { agentV1 } from '#proto';
import { failure, TestAgents } from './testing/agents.js';
import { agentClient, until } from './testing/client.js';
import { derToPem, instanceNo, makeCsr, startRig, type Rig } from './testing/rig.js';

describe('the agent gateway over real TLS', () => {
  let rig: Rig;
  const lost: string[] = [];
  const [suspected, trusted]: [string[], string[]] = [[], []];
  const returned: string[] = [];
  const cloned: (readonly string[])[] = [];
  const settled: string[] = [];
  const agents = new TestAgents(() => rig);
  const { enrolled, of: agentOf } = agents;
  beforeAll(async () => {
    rig = await startRig({}, (gateway) => {
      gateway.addObserver({
        onLost: (agent) => void lost.push(agent.instanceId),
        onSuspected: (agent) => void suspected.push(agent.instanceId),
        onTrusted: (agent) => void trusted.push(agent.instanceId),
        onReturned: (agent) => void returned.push(agent.instanceId),
        onCloned: (_, boots) => void cloned.push(boots),
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
    });
  });
  afterEach(agents.close);
  afterAll(() => rig.close());

  it('enrols with a join token, and answers Hello with Welcome and a complete snapshot', async () => {
    const identity = await enrolled();
    await rig.desire([identity.instanceId], 'modules', { 'module/k3s-server': { name: 'k3s-server' } });
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
        rig.gateway.liveness(identity.instanceId).applied.get('modules') === agent.sections.get('modules')!.generation,
    );
    expect(rig.gateway.liveness(identity.instanceId).connected).toBe(true);
  });

  it('pushes deltas against what was sent last, drops sections that are gone, and tells when a generation has settled', async () => {
    const identity = await enrolled();
    const agent = agentOf(identity).connect();
    await until('snapshot', () => agent.of('snapshot').length === 1);
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`peer/${i}`, { i }]));
    await rig.desire([identity.instanceId], 'network/n', many);
    await until('section', () => agent.sections.get('network/n')?.items.size === 20);
    await rig.desire([identity.instanceId], 'network/n', { 'peer/3': { i: 33 }, 'peer/4': null });
    await until('delta', () => agent.of('delta').length === 1);
    expect([agent.item('network/n', 'peer/3'), agent.item('network/n', 'peer/4')]).toEqual([{ i: 33 }, undefined]);
    await until('settled', () => settled.includes('network/n:1:0'));
    await rig.desire([identity.instanceId], 'modules', { m: { a: 1 } });
    await until('second section', () => agent.sections.has('modules'));
    await rig.desire([identity.instanceId], 'network/n', Object.fromEntries(Object.keys(many).map((k) => [k, null])));
    await until('section gone', () => !agent.sections.has('network/n'));
    expect(agent.sections.has('modules')).toBe(true);
    expect(agent.problems).toEqual([]);
  });

  it('resumes with hashes only: after a reconnect just the changed section travels, and deltas continue from it', async () => {
    const identity = await enrolled();
    await rig.desire([identity.instanceId], 'a', { x: { v: 1 } });
    await rig.desire([identity.instanceId], 'b', { x: { v: 1 } });
    const agent = agentOf(identity).connect();
    await until('both', () => agent.sections.size === 2);
    agent.send({ $case: 'log', value: { level: 'info', message: 'bye' } });
    await rig.desire([identity.instanceId], 'b', { x: { v: 2 } });
    await until('b', () => (agent.item('b', 'x') as { v: number }).v === 2);
    agent.seen.length = 0;
    agent.connect({ startCounter: 2n });
    await until('snapshot', () => agent.of('snapshot').length === 1);
    expect(agent.of('snapshot')[0]).toMatchObject({ sections: [], complete: true, unchanged: ['a', 'b'] });
    await rig.desire([identity.instanceId], 'a', { y: { v: 3 } });
    await until('delta', () => agent.item('a', 'y') !== undefined);
    expect([agent.of('delta').length, agent.problems]).toEqual([1, []]);
  });

  it('sends the whole truth again on another Hello', async () => {
    const identity = await enrolled();
    await rig.desire([identity.instanceId], 'a', { x: { v: 1 } });
    const agent = agentOf(identity).connect();
    await until('a', () => agent.sections.has('a'));
    agent.send({ $case: 'hello', value: agentV1.Hello.fromPartial({ bootId: 'boot-1', startCounter: 1n }) });
    await until('again', () => agent.of('snapshot').length === 2);
    expect(agent.of('snapshot')[1]!.sections.map((s) => s.name)).toEqual(['a']);
  });

  it('ends the open stream of a revoked certificate within a second and refuses its calls; a forgotten one is told to wipe', async () => {
    const identity = await enrolled();
    const agent = agentOf(identity).connect();
    await until('snapshot', () => agent.of('snapshot').length === 1);
    rig.enrollment.revoked.set(identity.instanceId, { wipe: true });
    await rig.append(identity.instanceId, 'test.revoked', {});
    expect(await until('bye', () => agent.ended !== undefined)).toBeLessThan(1_000);
    expect(agent.of('bye')).toEqual([{ code: 'certificate_revoked', message: 'revoked', wipe: true }]);
    const error = await failure((done) => agent.tunnelClient().renewCertificate({ csrDer: Buffer.alloc(0) }, done));
    expect([error.code, error.details]).toEqual([status.PERMISSION_DENIED, 'certificate_revoked: revoked']);
    agent.connect();
    await until('bye again', () => agent.of('bye').length === 2);
  });

  it('renews a certificate over mTLS', async () => {
    const identity = await enrolled();
    const { csrDer, keyPem } = await makeCsr();
    const client = agentClient(rig.agentAddress, identity);
    const renewed = await new Promise<agentV1.RenewCertificateResponse>((resolve, reject) =>
      client.renewCertificate({ csrDer }, (e, r) => (e === null ? resolve(r) : reject(e))),
    );
    client.close();
    const agent = agentOf({ ...identity, keyPem, certPem: derToPem(renewed.certificateDer) }).connect();
    await until('welcome with the new certificate', () => agent.of('welcome').length === 1);
  });

  it('hands phases to the runtime that owns them; a refusal is an answer that names what to do', async () => {
    const client = agentClient(rig.agentAddress, await enrolled());
    const report = (request: Partial<agentV1.ReportPhaseRequest>) =>
      new Promise<agentV1.ReportPhaseResponse['result']>((resolve, reject) =>
        client.reportPhase(agentV1.ReportPhaseRequest.fromPartial(request), (e, r) =>
          e === null ? resolve(r.result) : reject(e),
        ),
      );
    const runtime = agentV1.Runtime.RUNTIME_K3S_SERVER;
    expect(await report({ runtime, phase: agentV1.Phase.PHASE_READY })).toMatchObject({
      $case: 'ack',
      value: { nodeId: instanceNo(agents.newest) },
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

  it('lets a later start of the same boot supersede at once', async () => {
    const identity = await enrolled();
    const old = agentOf(identity).connect().beatEvery(50);
    await until('old', () => old.of('snapshot').length === 1);
    const young = agentOf(identity).connect({ startCounter: 2n });
    expect(await until('superseded', () => young.of('snapshot').length === 1)).toBeLessThan(200);
    await until('bye', () => old.of('bye').length === 1);
    expect(old.of('bye')[0]!.code).toBe('superseded');
  });

  it('lets a rebooted machine take over from its silent old stream after one beat', async () => {
    const identity = await enrolled();
    const old = agentOf(identity).connect();
    await until('old', () => old.of('snapshot').length === 1);
    const rebooted = agentOf(identity).connect({ bootId: 'boot-2' }).beatEvery(50);
    expect(await until('taken over', () => rebooted.of('snapshot').length === 1)).toBeLessThan(1_000);
    expect(cloned).toEqual([]);
  });

  it('quarantines both of two machines that answer with one identity, until it is enrolled anew', async () => {
    const identity = await enrolled();
    const one = agentOf(identity).connect().beatEvery(40);
    await until('one', () => one.of('snapshot').length === 1);
    const two = agentOf(identity).connect({ bootId: 'boot-2' }).beatEvery(40);
    await until('both ended', () => one.ended !== undefined && two.ended !== undefined);
    for (const agent of [one, two]) agent.stopBeating();
    expect([one, two].map((a) => a.of('bye')[0]?.code)).toEqual(['cloned_identity', 'cloned_identity']);
    await until('told', () => cloned.length === 1);
    expect(cloned[0]).toEqual(['boot-1', 'boot-2']);
    two.connect({ bootId: 'boot-2' });
    await until('still out', () => two.of('bye').length === 2);
    const anew = agentOf(await agents.enrolledAgain()).connect({ bootId: 'boot-3' });
    await until('back', () => anew.of('snapshot').length === 1);
  });

  it('judges leases: lost once when beats stop, returned once when they come back; a VIP candidate is suspected fast', async () => {
    const identity = await enrolled();
    const id = identity.instanceId;
    const count = (list: string[]) => list.filter((i) => i === id).length;
    const agent = agentOf(identity).connect().beatEvery(100);
    await until('live', () => agent.of('snapshot').length === 1);
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(count(lost)).toBe(0);
    agent.stopBeating();
    const slow = await until('lost', () => count(lost) === 1);
    expect(slow).toBeGreaterThan(450);
    agent.beat();
    await until('returned', () => count(returned) === 1);
    rig.gateway.setVipCandidate(id, true);
    await until('told the fast beat', () => agent.of('welcome').at(-1)!.beatMs === 50);
    agent.beatEvery(30);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    agent.stopBeating();
    expect(await until('suspected', () => count(suspected) === 1)).toBeLessThan(400);
    expect(rig.gateway.liveness(id)).toMatchObject({ connected: true, suspected: true, lost: false });
    agent.beat();
    await until('trusted', () => count(trusted) === 1);
    expect(rig.gateway.liveness(id)).toMatchObject({ suspected: false });
    await until('lost', () => count(lost) === 2);
    expect(rig.gateway.liveness(id)).toMatchObject({ connected: true, suspected: true, lost: true });
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
    await until('live', () => rig.gateway.liveness(identity.instanceId).connected);
    for (let round = 0; round < 40; round++) {
      const items = Object.fromEntries(
        Array.from({ length: 12 }, (_, i) => [`k${i}`, { round, pad: 'x'.repeat(60_000) }]),
      );
      await rig.desire([identity.instanceId], 'bulk', items);
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
    expect(rig.gateway.sendVip(identity.instanceId, item)).toBe(true);
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

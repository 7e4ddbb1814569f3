import { X509Certificate } from 'node:crypto';
import { RefusedError } from '#kernel';
import { createFleetRig, newCsr, type FleetRig } from '../testing/fleet-rig.js';

describe('enrolment', () => {
  let rig: FleetRig;
  let instanceId: string;
  let token: string;
  beforeEach(async () => {
    rig = await createFleetRig();
    const { template } = await rig.ok('system_create_template', { name: 'servers' });
    const { node } = await rig.ok('system_create_node', { hostname: 'server-1', node_template_id: template.id });
    const { instance, join } = await rig.ok('system_provision_instance', { node_id: node.id });
    [instanceId, token] = [instance.id, join.token];
  });
  afterEach(() => rig.close());

  const enrolments = async () => (await rig.events(instanceId)).filter((e) => e.type === 'system.instance.enrolled');
  const refusals = async () =>
    (await rig.events(instanceId)).filter((e) => e.type === 'system.instance.enrollment_refused');
  const codeOf = async (promise: Promise<unknown>): Promise<string> => {
    const error: unknown = await promise.then(
      () => 'accepted',
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(RefusedError);
    return (error as RefusedError).refusal.code;
  };
  const serialOf = (der: Uint8Array) => new X509Certificate(der).serialNumber;
  const authorize = (certificateSerial: string) => rig.enrollment.authorize({ instanceId, certificateSerial });

  it('gives the holder of a join token a certificate of the platform CA with the instance in its SAN', async () => {
    const answer = await rig.enroll(token, await newCsr());
    const certificate = new X509Certificate(answer.certificateDer);
    expect(answer).toMatchObject({ instanceId, agentAddress: 'drover.test:7443' });
    expect(certificate.subjectAltName).toContain(instanceId);
    expect(certificate.verify(new X509Certificate(rig.authority.caPem()).publicKey)).toBe(true);
    expect(await rig.ok('system_get_instance', { id: instanceId })).toMatchObject({
      instance: { state: 'provisioning' },
    });
    await rig.drain();
    expect(await rig.ok('system_get_instance', { id: instanceId })).toMatchObject({ instance: { state: 'starting' } });
  });

  it('lets one of 512 racing redeemers in: one certificate, one event, the rest refused', async () => {
    const csrs = await Promise.all(Array.from({ length: 512 }, newCsr));
    const answers = await Promise.allSettled(csrs.map((csr) => rig.enroll(token, csr)));
    const won = answers.filter((a) => a.status === 'fulfilled');
    const codes = answers.flatMap((a) => (a.status === 'rejected' ? [(a.reason as RefusedError).refusal?.code] : []));
    expect(won).toHaveLength(1);
    expect(new Set(codes)).toEqual(new Set(['join_token_used']));
    expect(await enrolments()).toHaveLength(1);
    expect(await refusals()).toHaveLength(1);
  });

  it('answers a repeat with the same key with the very same certificate, while the token lives', async () => {
    const csr = await newCsr();
    const first = await rig.enroll(token, csr);
    const again = await rig.enroll(token, csr);
    expect(again.certificateDer).toEqual(first.certificateDer);
    expect(await enrolments()).toHaveLength(1);
    await rig.clock.advance(15 * 60_000);
    expect(await codeOf(rig.enroll(token, csr))).toBe('join_token_used');
  });

  it('gives racing tries of one agent one certificate', async () => {
    const csr = await newCsr();
    const answers = await Promise.all(Array.from({ length: 20 }, () => rig.enroll(token, csr)));
    expect(new Set(answers.map((a) => serialOf(a.certificateDer))).size).toBe(1);
    expect(await enrolments()).toHaveLength(1);
  });

  it('refuses another key, an expired, a foreign and a malformed token; each is recorded once and nothing is half done', async () => {
    expect(await codeOf(rig.enroll('drvj_nonsense', await newCsr()))).toBe('join_token_malformed');
    const foreign = `${token.slice(0, -4)}AAAA`;
    for (let i = 0; i < 5; i++) expect(await codeOf(rig.enroll(foreign, await newCsr()))).toBe('join_token_unknown');
    expect(await codeOf(rig.enroll(token, Buffer.from('not a csr')))).toBe('csr_malformed');
    await rig.clock.advance(15 * 60_000);
    for (let i = 0; i < 5; i++) expect(await codeOf(rig.enroll(token, await newCsr()))).toBe('join_token_expired');
    expect((await refusals()).map((e) => e.data['code'])).toEqual(['join_token_unknown', 'join_token_expired']);
    expect(await enrolments()).toHaveLength(0);
    const { join } = await rig.ok('system_create_join_token', { id: instanceId });
    await rig.enroll(join.token, await newCsr());
    expect(await enrolments()).toHaveLength(1);
  });

  it('voids tokens that were open when another one enrolled the instance', async () => {
    const { join } = await rig.ok('system_create_join_token', { instance_id: instanceId });
    await rig.enroll(token, await newCsr());
    expect(await codeOf(rig.enroll(join.token, await newCsr()))).toBe('join_token_superseded');
  });

  it('keeps the token out of every event', async () => {
    await rig.enroll(token, await newCsr());
    const secret = token.slice(-43);
    const { events } = await rig.store.readAll(0n as never, { limit: 1_000 });
    expect(events.length).toBeGreaterThan(5);
    expect(JSON.stringify(events, (_k, v: unknown) => (typeof v === 'bigint' ? String(v) : v))).not.toContain(secret);
  });

  it('lets only the current certificate and the one before a renewal speak', async () => {
    const first = serialOf((await rig.enroll(token, await newCsr())).certificateDer);
    const agent = await authorize(first);
    expect(agent).toMatchObject({ kind: 'ok', agent: { instanceId } });
    const identity = agent.kind === 'ok' ? agent.agent : undefined;
    const csr = await newCsr();
    const second = serialOf((await rig.enrollment.renew(identity!, { csrDer: csr })).certificateDer);
    const repeated = serialOf((await rig.enrollment.renew(identity!, { csrDer: csr })).certificateDer);
    expect(repeated).toBe(second);
    expect([(await authorize(first)).kind, (await authorize(second)).kind]).toEqual(['ok', 'ok']);
    const third = serialOf(
      (await rig.enrollment.renew({ ...identity!, certificateSerial: second }, { csrDer: await newCsr() }))
        .certificateDer,
    );
    expect(await authorize(first)).toMatchObject({ kind: 'refused', code: 'certificate_superseded', wipe: false });
    expect((await authorize(third.toLowerCase())).kind).toBe('ok');
    expect(await authorize('00ff')).toMatchObject({ kind: 'refused' });
  });

  it('refuses a revoked certificate of an instance that lives, and has nothing torn down on its machine', async () => {
    const serial = serialOf((await rig.enroll(token, await newCsr())).certificateDer);
    expect((await authorize(serial)).kind).toBe('ok');
    const last = (await rig.events(instanceId)).at(-1)!;
    const data = { instance_id: instanceId, reason: 'leaked' };
    const type = 'system.instance.certificate_revoked';
    rig.index.apply({ ...last, type, data, version: last.version + 1 } as typeof last);
    expect(await authorize(serial)).toMatchObject({ kind: 'refused', code: 'certificate_revoked', wipe: false });
  });

  it('expects those back who were present when the platform stopped', async () => {
    const serial = serialOf((await rig.enroll(token, await newCsr())).certificateDer);
    expect(await rig.enrollment.expected()).toEqual([]);
    const answer = await authorize(serial);
    const agent = answer.kind === 'ok' ? answer.agent : undefined;
    const hello = { bootId: 'b', agentVersion: '1', architecture: 'x64', hostname: 'h', memoryBytes: 8n };
    const full = { ...hello, underlayAddresses: [], capabilities: {} } as never;
    await rig.liveness.onConnected({ hello: full, agent: agent! });
    await rig.index.read(instanceId);
    expect(await rig.enrollment.expected()).toEqual([{ ...agent, certificateSerial: serial.toLowerCase() }]);
    await rig.liveness.onLost(agent!, 3_000);
    await rig.index.read(instanceId);
    expect(await rig.enrollment.expected()).toEqual([]);
  });

  it('hears once what the agent of an instance that is over took away, and of nobody else', async () => {
    const serial = serialOf((await rig.enroll(token, await newCsr())).certificateDer);
    const report = { removed: ['/var/lib/rancher/k3s'], left: [`/etc/\0: ${'y'.repeat(291)}\u{1f600}`] };
    const say = (certificateSerial: string) => rig.enrollment.wiped({ instanceId, certificateSerial }, report);
    expect(await codeOf(say(serial))).toBe('not_over');
    await rig.ok('system_terminate_instance', { id: instanceId });
    expect(await codeOf(say('00ff'))).toBe('not_over');
    await say(serial);
    await say(serial);
    const told = (await rig.events(instanceId)).filter((e) => e.type === 'system.instance.wiped');
    expect(told.map(({ data }) => data)).toEqual([
      { instance_id: instanceId, removed: ['/var/lib/rancher/k3s'], left: [`/etc/: ${'y'.repeat(291)}`] },
    ]);
  });

  it('hears why a machine is not clean yet, once for each reason, until it is', async () => {
    const serial = serialOf((await rig.enroll(token, await newCsr())).certificateDer);
    const stuck = (reason: string, certificateSerial = serial) =>
      rig.enrollment.wipeStuck({ instanceId, certificateSerial }, reason);
    const seen = async () => {
      await rig.drain();
      return (await rig.ok('system_get_instance', { id: instanceId })) as { instance: object };
    };
    expect(await codeOf(stuck('k3s has not ended'))).toBe('not_over');
    await rig.ok('system_terminate_instance', { id: instanceId });
    await stuck('k3s has not ended');
    await stuck('k3s has not ended');
    expect(await codeOf(stuck('another', '00ff'))).toBe('not_over');
    const last_error = 'the machine is not clean yet: k3s has not ended';
    expect(await seen()).toMatchObject({
      instance: { last_error, next_action: expect.stringContaining('drover-agent') },
    });
    await stuck(`docker: \0${'y'.repeat(400)}`);
    await rig.enrollment.wiped({ instanceId, certificateSerial: serial }, { removed: [], left: [] });
    await stuck('too late');
    expect(await seen()).toMatchObject({ instance: { last_error: null, next_action: null } });
    const told = (await rig.events(instanceId)).filter((e) => e.type === 'system.instance.wipe_stuck');
    expect(told.map(({ data }) => data['reason'])).toEqual(['k3s has not ended', `docker: ${'y'.repeat(291)}`]);
  });

  it('tells a forgotten or terminated instance to wipe, and knows nothing of instances that never were', async () => {
    const serial = serialOf((await rig.enroll(token, await newCsr())).certificateDer);
    expect((await authorize(serial)).kind).toBe('ok');
    await rig.drain();
    await rig.ok('system_forget_instance', { id: instanceId });
    for (const event of await rig.events(instanceId)) rig.index.apply(event);
    expect(await authorize(serial)).toMatchObject({ kind: 'refused', code: 'instance_forgotten', wipe: true });
    const { join } = { join: token };
    expect(await codeOf(rig.enroll(join, await newCsr()))).toBe('instance_forgotten');
    const unknown = { instanceId: 'instance-00000000-0000-4000-8000-0000000000ff', certificateSerial: serial };
    expect(await rig.enrollment.authorize(unknown)).toMatchObject({ code: 'instance_unknown', wipe: false });
  });
});

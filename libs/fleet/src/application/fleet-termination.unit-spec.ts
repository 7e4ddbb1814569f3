import { refusal, type InstanceId } from '#kernel';
import { createFleetRig, newCsr, type FleetRig } from '../testing/fleet-rig.js';
import { MarkDrained, RecordOnline } from './commands.js';

let rig: FleetRig;
const left: string[] = [];
let occupied = true;
let objection: ReturnType<typeof refusal> | undefined;
let loss: ReturnType<typeof refusal> | undefined;

const presence = {
  boot_id: 'b',
  agent_version: '1',
  architecture: 'amd64',
  hostname: 'h',
  memory_bytes: 1,
  underlay_addresses: [],
  capabilities: {},
};

/** An instance with a living agent, in a context that has a say in its end. */
const member = async (): Promise<InstanceId> => {
  await rig.ok('system_create_template', { name: 'servers' });
  await rig.ok('system_create_node', { hostname: 'server-1', node_template_id: 'servers' });
  const { instance } = await rig.ok('system_provision_instance', { node_id: 'server-1' });
  await rig.drain();
  const { join } = await rig.ok('system_create_join_token', { id: instance.id });
  await rig.enroll(join.token, await newCsr());
  const instance_id = instance.id as InstanceId;
  await rig.run(RecordOnline, { instance_id, presence });
  await rig.drain();
  return instance_id;
};
const kinds = async (id: string) => (await rig.events(id)).map((e) => e.type.replace('system.instance.', ''));

describe('the end of an instance', () => {
  beforeEach(async () => {
    rig = await createFleetRig();
    left.length = 0;
    occupied = true;
    objection = undefined;
    loss = undefined;
    rig.services.drainAdvice.addEnd({
      isOccupied: () => occupied,
      objection: (_id, end) => (end === 'forget' ? loss : objection),
      leave: async (id) => (left.push(id), ['something stayed behind']),
    });
  });
  afterEach(() => rig.close());

  it('waits for its drain, leaves its cluster, and only then is the end', async () => {
    const id = await member();
    const asked = await rig.ok('system_terminate_instance', { id });
    expect(asked).toMatchObject({ terminated: false, instance: { state: 'draining' } });
    expect(left).toEqual([]);
    await rig.run(MarkDrained, { instance_id: id, evicted_pods: 3, warnings: [] });
    await rig.drain();
    expect(left).toEqual([id]);
    expect((await kinds(id)).slice(-4)).toEqual(['terminate_requested', 'drain_requested', 'drained', 'terminated']);
  });

  it('is called off by an uncordon', async () => {
    const id = await member();
    await rig.ok('system_terminate_instance', { id });
    await rig.ok('system_uncordon_instance', { id });
    await rig.drain();
    await rig.ok('system_drain_instance', { id });
    await rig.run(MarkDrained, { instance_id: id, evicted_pods: 0, warnings: [] });
    await rig.drain();
    await rig.clock.advance(3_600_000);
    await rig.drain();
    expect(await kinds(id)).not.toContain('terminated');
  });

  it('comes although the drain never ends', async () => {
    const id = await member();
    await rig.ok('system_terminate_instance', { id, timeout_seconds: 60 });
    await rig.drain();
    await rig.clock.advance(60_000 + 5 * 60_000);
    await rig.drain();
    expect(await kinds(id)).toContain('terminated');
  });

  it('waits when what could be spared as it was asked for is needed now, and comes when that is over', async () => {
    const id = await member();
    await rig.ok('system_terminate_instance', { id });
    objection = refusal(409, 'quorum_at_risk', 'another server died meanwhile');
    await rig.run(MarkDrained, { instance_id: id, evicted_pods: 0, warnings: [] });
    await rig.drain();
    await rig.clock.advance(60_000);
    await rig.drain();
    expect(left).toEqual([]);
    expect(await kinds(id)).not.toContain('terminated');
    objection = undefined;
    await rig.clock.advance(5 * 60_000);
    await rig.drain();
    expect(left).toEqual([id]);
    expect(await kinds(id)).toContain('terminated');
  });

  it('tells what it waits for when that lasts', async () => {
    const id = await member();
    await rig.ok('system_terminate_instance', { id });
    objection = refusal(409, 'quorum_at_risk', 'another server died meanwhile', { hint: 'bring it back' });
    await rig.run(MarkDrained, { instance_id: id, evicted_pods: 0, warnings: [] });
    await rig.drain();
    await rig.clock.advance(5 * 60_000 + 1);
    await rig.drain();
    const overdue = (await rig.events(id)).filter((e) => e.type === 'system.instance.overdue');
    const next_action = expect.stringMatching(/^it stays for now: another server died meanwhile; bring it back; then /);
    expect(overdue.map((e) => e.data)).toMatchObject([{ state: 'stopping', next_action }]);
  });

  it('does not wait for that when it is forced', async () => {
    const id = await member();
    await rig.ok('system_terminate_instance', { id });
    objection = refusal(409, 'quorum_at_risk', 'another server died meanwhile');
    await rig.run(MarkDrained, { instance_id: id, evicted_pods: 0, warnings: [] });
    await rig.drain();
    expect(await rig.ok('system_terminate_instance', { id, force: true })).toMatchObject({ terminated: true });
    expect(left).toEqual([id]);
  });

  it('comes at once when it is forced, when nothing runs there, and when it is drained already', async () => {
    const id = await member();
    expect(await rig.ok('system_terminate_instance', { id, force: true })).toMatchObject({ terminated: true });
    expect(left).toEqual([id]);
  });

  it('comes at once where nothing runs', async () => {
    const id = await member();
    occupied = false;
    expect(await rig.ok('system_terminate_instance', { id })).toMatchObject({ terminated: true });
  });

  it('is refused where a context objects, unless it is forced', async () => {
    const id = await member();
    objection = refusal(409, 'quorum_at_risk', 'no');
    expect(await rig.refused('system_terminate_instance', { id })).toMatchObject({ code: 'quorum_at_risk' });
    expect(await rig.ok('system_terminate_instance', { id, force: true })).toMatchObject({ terminated: true });
  });

  it('is refused to who would give it up where a context objects to that, and nothing is done, unless it is forced', async () => {
    const id = await member();
    loss = refusal(409, 'quorum_at_risk', 'its member would stay in etcd');
    expect(await rig.refused('system_forget_instance', { id })).toMatchObject({ code: 'quorum_at_risk' });
    expect(await kinds(id)).not.toContain('forgotten');
    expect(await rig.ok('system_forget_instance', { id, force: true })).toMatchObject({ forgotten: true });
    // Once it is forgotten it is no member of anything.
    loss = undefined;
    expect(await rig.ok('system_forget_instance', { id })).toMatchObject({ outcome: 'nothing' });
  });
});

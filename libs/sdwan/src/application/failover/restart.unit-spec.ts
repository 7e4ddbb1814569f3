import { InstanceDrainRequested } from '#fleet';
import { SetVirtualIpCandidates } from '../commands.js';
import { setUp } from '../../testing/virtual-ip-world.js';

describe('failover of a virtual IP around a start of the platform', () => {
  it('completes a move that the platform began before it was restarted, under the same epoch', async () => {
    const { world, a, b, state, types } = await setUp('a', 'b', 'c');
    world.agent(b).deaf = true;
    world.agent(a).alive = false;
    await world.clock.advance(720);
    expect(await types()).toEqual(['move_started']);
    world.boot();
    world.agent(b).deaf = false;
    await world.clock.advance(3_000);
    expect(await types()).toEqual(['move_started', 'moved']);
    expect(state()).toMatchObject({ status: 'active', epoch: 2, holder: { instance_id: b } });
  });

  it('writes nothing to a begun move while nobody is connected, and completes it when they are', async () => {
    const { world, a, b, state, types } = await setUp('a', 'b', 'c');
    world.agent(b).deaf = true;
    world.agent(a).alive = false;
    await world.clock.advance(720);
    expect(await types()).toEqual(['move_started']);
    for (const agent of world.agents.values()) agent.linked = false;
    world.boot();
    world.agent(b).deaf = false;
    await world.clock.advance(30_000);
    expect(await types()).toEqual(['move_started']);
    for (const agent of world.agents.values()) agent.linked = true;
    await world.clock.advance(4_000);
    expect(await types()).toEqual(['move_started', 'moved']);
    expect(state()).toMatchObject({ status: 'active', epoch: 2, holder: { instance_id: b } });
  });

  it('writes nothing where another process leads, also to a move that is under way', async () => {
    const { world, a, b, state, types } = await setUp('a', 'b', 'c');
    world.agent(b).deaf = true;
    world.agent(a).alive = false;
    await world.clock.advance(720);
    world.leadership.set(false);
    await world.clock.advance(30_000);
    expect(await types()).toEqual(['move_started']);
    world.boot();
    await world.clock.advance(30_000);
    expect(await types()).toEqual(['move_started']);
    world.agent(b).deaf = false;
    world.leadership.set(true);
    await world.clock.advance(4_000);
    expect(await types()).toEqual(['move_started', 'moved']);
    expect(state()).toMatchObject({ epoch: 2, holder: { instance_id: b } });
  });

  it('strands nobody at a start at which the candidates have not been heard yet', async () => {
    const { world, vip, members, a, types } = await setUp('a', 'b');
    world.leadership.set(false);
    for (const agent of world.agents.values()) agent.linked = false;
    const candidates = members.slice(1, 2);
    await world.ok(SetVirtualIpCandidates, { virtual_ip_id: vip.virtual_ip_id, candidates });
    world.boot();
    world.leadership.set(true);
    await world.clock.advance(300);
    world.service.coordinator.tick();
    await world.clock.advance(200);
    for (const agent of world.agents.values()) agent.linked = true;
    await world.clock.advance(4_000);
    expect((await types()).slice(1)).toEqual(['move_started', 'moved']);
    expect(world.agent(a).holds).toBe(false);
  });

  it('moves away from a holder that died while the platform was down', async () => {
    const { world, a, state } = await setUp('a', 'b', 'c');
    world.agent(a).alive = false;
    world.agent(a).linked = false;
    world.boot();
    await world.clock.advance(8_000);
    expect(state().holder?.instance_id).not.toBe(a);
  });

  it('carries out a drain that only stands in the log', async () => {
    const { world, a, b, state } = await setUp('a', 'b', 'c');
    await world.append(a, InstanceDrainRequested({ instance_id: a as `instance-${string}`, timeout_seconds: 60 }));
    await world.clock.advance(1_500);
    expect(state().holder?.instance_id).toBe(b);
  });
});

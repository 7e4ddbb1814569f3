import { setUp } from '../../testing/virtual-ip-world.js';

describe('a virtual IP whose holder is not heard', () => {
  it('leaves a healthy holder alone whose control link is cut, for as long as it takes', async () => {
    const { world, a, state, types } = await setUp('a', 'b', 'c');
    world.agent(a).linked = false;
    await world.clock.advance(10_000);
    expect(state()).toMatchObject({ status: 'active', holder: { instance_id: a }, epoch: 1 });
    expect(await types()).toEqual([]);
    world.agent(a).linked = true;
    await world.clock.advance(2_000);
    expect(await types()).toEqual([]);
  });

  it('strands a virtual IP whose only candidate is lost and answers nobody, and gives it back when that returns', async () => {
    const { world, a, state, vip, types, worker } = await setUp('a');
    Object.assign(world.agent(a), { alive: false, answers: false });
    await world.clock.advance(2_500);
    expect(await types()).toEqual([]);
    await world.clock.advance(3_000);
    expect(await types()).toEqual(['stranded']);
    expect((await world.events(vip.virtual_ip_id)).at(-1)!.data).toMatchObject({
      last_holder: { instance_id: a },
      next_action: expect.stringContaining(`bring ${a} back`),
    });
    expect(world.agent(worker.instance_id).items.at(-1)).toMatchObject({ holder_peer_id: null, route_peer_id: null });
    Object.assign(world.agent(a), { alive: true, answers: true });
    await world.clock.advance(8_000);
    expect(await types()).toEqual(['stranded', 'move_started', 'moved']);
    expect(state()).toMatchObject({ status: 'active', epoch: 2, holder: { instance_id: a } });
  });

  it('strands nobody whose control link is cut, or whose agent is dead, while another member gets answers', async () => {
    const { world, a, state, types } = await setUp('a');
    world.agent(a).linked = false;
    await world.clock.advance(60_000);
    Object.assign(world.agent(a), { linked: true, alive: false });
    await world.clock.advance(60_000);
    expect(await types()).toEqual([]);
    expect(state()).toMatchObject({ status: 'active', holder: { instance_id: a }, epoch: 1 });
  });

  it('believes half a minute of silence where nobody could look', async () => {
    const { world, a, worker, types } = await setUp('a');
    for (const id of [a, worker.instance_id]) Object.assign(world.agent(id), { alive: false, answers: false });
    await world.clock.advance(25_000);
    expect(await types()).toEqual([]);
    await world.clock.advance(15_000);
    expect(await types()).toEqual(['stranded']);
  });

  it('asks about a holder that is silent for its short lease, and loses nobody for that', async () => {
    const { world, a, b, state, types } = await setUp('a', 'b', 'c');
    world.agent(a).alive = false;
    await world.clock.advance(1_000);
    expect(state().holder?.instance_id).toBe(b);
    expect(world.service.coordinator.facts.of(state().candidates[0]!)).toMatchObject({ suspected: true, lost: false });
    world.agent(a).alive = true;
    await world.clock.advance(500);
    const { live, returning, suspected } = world.service.coordinator.facts.of(state().candidates[0]!);
    expect({ live, returning, suspected }).toEqual({ live: true, returning: false, suspected: false });
    await world.clock.advance(60_000);
    expect(await types()).toEqual(['move_started', 'moved']);
  });

  it('moves nothing while there is no majority, and at once when there is one again', async () => {
    const { world, a, b, c, state, types } = await setUp('a', 'b', 'c');
    world.agent(a).alive = false;
    world.agent(b).alive = false;
    await world.clock.advance(5_000);
    expect(await types()).toEqual([]);
    world.agent(b).alive = true;
    await world.clock.advance(2_500);
    expect([b, c]).toContain(state().holder?.instance_id);
  });
});

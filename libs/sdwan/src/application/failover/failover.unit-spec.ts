import { InstanceDrainRequested } from '#fleet';
import { DetachPeer, FailoverVirtualIp, MoveVirtualIpAway } from '../commands.js';
import { RUNTIME, setUp } from '../../testing/virtual-ip-world.js';

describe('failover of a virtual IP', () => {
  it('moves on a drain, make before break, and lets the old holder go last', async () => {
    const { world, a, b, state, types, worker } = await setUp('a', 'b', 'c');
    expect(world.agent(a).holds).toBe(true);
    const { moves } = await world.ok(MoveVirtualIpAway, { instance_id: a, reason: 'drain' });
    expect(moves).toMatchObject([{ outcome: 'moved', from_instance_id: a, to_instance_id: b, epoch: 2 }]);
    expect(moves[0]!.duration_ms).toBeLessThan(100);
    expect(await types()).toEqual(['move_started', 'moved']);
    expect(state()).toMatchObject({ status: 'active', holder: { instance_id: b }, epoch: 2 });
    expect(world.agent(a).items.at(-1)).toMatchObject({ epoch: 2, role: 'candidate', release_after_move: false });
    expect(world.agent(worker.instance_id).items.at(-1)).toMatchObject({ epoch: 2, role: 'member', lease: null });
  });

  it('moves after a crash within the lease and a few milliseconds, and strands nobody', async () => {
    const { world, a, b, state, vip } = await setUp('a', 'b', 'c');
    world.agent(a).alive = false;
    world.agent(a).linked = true;
    await world.clock.advance(750);
    expect(state()).toMatchObject({ status: 'active', holder: { instance_id: b }, epoch: 2 });
    const moved = (await world.events(vip.virtual_ip_id)).at(-1)!;
    expect(moved).toMatchObject({ type: 'moved', data: { reason: 'lease_lost', unacked: [] } });
  });

  it('works with two candidates, the platform voting', async () => {
    const { world, a, b, state } = await setUp('a', 'b');
    expect(world.agent(b).items.at(-1)).toMatchObject({ lease: { platform_votes: true } });
    world.agent(a).alive = false;
    await world.clock.advance(800);
    expect(state().holder?.instance_id).toBe(b);
  });

  it('does not give the address back to the old holder when that returns', async () => {
    const { world, a, b, state, types } = await setUp('a', 'b', 'c');
    world.agent(a).alive = false;
    await world.clock.advance(1_000);
    world.agent(a).alive = true;
    await world.clock.advance(60_000);
    expect(state().holder?.instance_id).toBe(b);
    expect(await types()).toEqual(['move_started', 'moved']);
  });

  it('goes to a server that is being drained when nobody else is left, and not while somebody is', async () => {
    const drained = async (...names: string[]) => {
      const set = await setUp(...names);
      for (const id of [set.b, set.a])
        await set.world.append(
          id,
          InstanceDrainRequested({ instance_id: id as `instance-${string}`, timeout_seconds: 60 }),
        );
      await set.world.clock.advance(1_500);
      return set;
    };
    const three = await drained('a', 'b', 'c');
    expect(three.state().holder?.instance_id).toBe(three.c);
    const { world, a, b, state, types } = await drained('a', 'b');
    expect(state().holder?.instance_id).toBe(a);
    world.agent(a).alive = false;
    await world.clock.advance(1_500);
    expect(state()).toMatchObject({ status: 'active', holder: { instance_id: b } });
    world.agent(a).alive = true;
    await world.clock.advance(5_000);
    expect(await types()).toEqual(['move_started', 'moved']);
  });

  it('keeps the address where it is when a drain has nowhere to put it, and says so', async () => {
    const { world, a, state } = await setUp('a');
    const result = await world.run(MoveVirtualIpAway, { instance_id: a, reason: 'drain' });
    expect(result).toMatchObject({
      kind: 'done',
      value: { moves: [{ outcome: 'no_candidate' }] },
      warnings: [expect.stringContaining('outage_expected')],
    });
    expect(state().holder?.instance_id).toBe(a);
  });

  it('moves away from an API server that is not ready three times while another is', async () => {
    const { world, a, b, state, vip } = await setUp('a', 'b', 'c');
    const health = (id: string, ready: boolean) =>
      world.observer.onRuntimeHealth(world.identity(id), { runtime: RUNTIME, ready, detail: '', argsDigest: '' });
    health(b, true);
    health(a, false);
    health(a, false);
    await world.clock.advance(1_500);
    expect(state().holder?.instance_id).toBe(a);
    health(a, false);
    await world.clock.advance(500);
    expect(state().holder?.instance_id).toBe(b);
    expect((await world.events(vip.virtual_ip_id)).at(-1)).toMatchObject({ data: { reason: 'health' } });
    health(a, true);
    for (let n = 0; n < 3; n++) health(b, false);
    await world.clock.advance(5_000);
    expect(state().holder?.instance_id).toBe(b);
    await world.clock.advance(30_000);
    expect(state().holder?.instance_id).toBe(a);
  });

  it('stays, and may be taken, where the disk is full and the API server answers', async () => {
    const { world, a, b, state } = await setUp('a', 'b');
    const full = { runtime: RUNTIME, ready: false, apiReady: true, detail: '', argsDigest: '' };
    for (let n = 0; n < 3; n++) for (const id of [a, b]) world.observer.onRuntimeHealth(world.identity(id), full);
    await world.clock.advance(5_000);
    expect(state().holder?.instance_id).toBe(a);
    expect(await world.run(MoveVirtualIpAway, { instance_id: a, reason: 'drain' })).toMatchObject({
      kind: 'done',
      value: { moves: [{ outcome: 'moved' }] },
    });
    expect(state().holder?.instance_id).toBe(b);
  });

  it('goes to the next candidate under a new epoch when the first does not take it', async () => {
    const { world, a, b, c, state, types } = await setUp('a', 'b', 'c');
    world.agent(b).deaf = true;
    world.agent(a).alive = false;
    await world.clock.advance(4_000);
    expect(await types()).toEqual(['move_started', 'move_failed', 'move_started', 'moved']);
    expect(state()).toMatchObject({ epoch: 3, holder: { instance_id: c } });
  });

  it('is moved by an operator to a named candidate; an unfit one is refused with the fit ones', async () => {
    const { world, vip, a, b, c, worker, state } = await setUp('a', 'b', 'c');
    const move = (target_instance_id: string | null, dry_run = false) =>
      world.run(FailoverVirtualIp, { virtual_ip_id: vip.virtual_ip_id, target_instance_id, dry_run });
    const { instance_id: foreign } = worker;
    expect(await move(foreign)).toMatchObject({
      kind: 'refused',
      refusal: {
        code: 'target_unfit',
        field: 'target_instance_id',
        message: expect.stringContaining('not a candidate'),
        candidates: [{ id: b }, { id: c }],
        hint: expect.stringContaining(`${a}: holds it now`),
      },
    });
    expect(await move(a)).toMatchObject({ kind: 'done', value: { outcome: 'already_there' } });
    expect(await move(c, true)).toMatchObject({
      kind: 'done',
      value: { outcome: 'planned', to_instance_id: c, detail: expect.stringContaining(`${a}: holds it now`) },
    });
    expect(state().epoch).toBe(1);
    expect(await move(c)).toMatchObject({ kind: 'done', value: { outcome: 'moved', to_instance_id: c } });
    for (const id of [a, b]) world.agent(id).alive = false;
    await world.clock.advance(4_000);
    for (const [target, code, field] of [
      [null, 'no_candidate', 'virtual_ip_id'],
      [b, 'target_unfit', 'target_instance_id'],
    ] as const)
      expect(await move(target, target === null)).toMatchObject({
        kind: 'refused',
        refusal: { code, field, hint: expect.stringContaining(`${a}: its agent is not connected`) },
      });
  });

  it('leaves first when its holder is detached from the network', async () => {
    const { world, servers, b, state } = await setUp('a', 'b', 'c');
    await world.ok(DetachPeer, { peer_id: servers[0]!.peer_id, reason: 'test' });
    expect(state().holder?.instance_id).toBe(b);
  });

  it('sends a device to the new holder as soon as that answers', async () => {
    const { world, network_id, servers, a } = await setUp('a', 'b', 'c');
    const { CreateAccessGrant, RedeemAccessGrant } = await import('../commands.js');
    const grant_id = 'access_grant-00000000-0000-4000-8000-000000000001';
    await world.ok(CreateAccessGrant, {
      network_id,
      grant_id,
      name: 'ws',
      tags: [],
      token_digest: 'd',
      expires_at_ms: world.clock.wallMs() + 60_000,
    });
    const public_key = Buffer.alloc(32, 9).toString('base64');
    const { peer_id } = await world.ok(RedeemAccessGrant, {
      grant_id,
      token_digest: 'd',
      device_token_digest: 'x',
      public_key,
      device_name: 'ws',
    });
    const route = () =>
      world.feed
        .config(peer_id)!
        .peers.filter((p) => p.allowed_ips.some((ip) => ip.endsWith('::100/128')))
        .map((p) => p.peer_id);
    expect(route()).toEqual([servers[0]!.peer_id]);
    const seen: string[][] = [];
    world.feed.subscribe(peer_id, () => seen.push(route()));
    await world.ok(MoveVirtualIpAway, { instance_id: a, reason: 'drain' });
    expect(route()).toEqual([servers[1]!.peer_id]);
    expect(seen.every((r) => r.length === 1)).toBe(true);
  });
});

import { sha256Hex } from '#kernel';
import { InstanceTerminated } from '#fleet';
import {
  AttachPeer,
  CreateAccessGrant,
  CreateNetwork,
  DeleteNetwork,
  DetachPeer,
  RedeemAccessGrant,
  ReleaseVirtualIp,
  ReserveVirtualIp,
  RevokeAccessGrant,
  SetVirtualIpCandidates,
  UpdateNetwork,
} from './commands.js';
import { OverlayWorld } from '../testing/overlay-world.js';
import { code, all } from '../testing/outcomes.js';

describe('overlay commands', () => {
  it('give a retried command what the first try made, and refuse a taken name with nothing left behind', async () => {
    const world = new OverlayWorld();
    const context = world.context();
    const first = await world.run(CreateNetwork, { name: 'n', pod_subnet_prefix: '10.42.0.0/16' }, context);
    expect(await world.run(CreateNetwork, { name: 'n', pod_subnet_prefix: '10.42.0.0/16' }, context)).toMatchObject({
      value: (first as { value: object }).value,
    });
    expect(code(await world.run(CreateNetwork, { name: 'n' }))).toBe('name_taken');
    expect(code(await world.run(CreateNetwork, { name: 'm', pod_subnet_prefix: '10.42.0.0/24' }))).toMatch(
      /^pod_subnet_prefix_/,
    );
    expect(code(await world.run(CreateNetwork, { name: 'm' }))).toBe('done');
  });

  it('complete a network whose creation was killed after any of its appends', async () => {
    for (let survive = 0; survive < 5; survive++) {
      const world = new OverlayWorld();
      const context = world.context();
      const { store } = world.platform;
      const append = store.append.bind(store);
      let left = survive;
      store.append = (request) => (left-- > 0 ? append(request) : Promise.reject(new Error('killed')));
      await world
        .run(CreateNetwork, { name: 'n', pod_subnet_prefix: '10.42.0.0/16' }, context)
        .catch((error: Error) => expect(error.message).toBe('killed'));
      store.append = append;
      expect(code(await world.run(CreateNetwork, { name: 'n', pod_subnet_prefix: '10.42.0.0/16' }, context))).toBe(
        'done',
      );
      expect([...world.model.networks.values()].map((n) => [n.name, n.podSubnetPrefix])).toEqual([
        ['n', '10.42.0.0/16'],
      ]);
    }
  });

  it('refuse instances that are gone, and what belongs to another account', async () => {
    const world = new OverlayWorld();
    const { network_id } = await world.ok(CreateNetwork, { name: 'n' });
    const instance_id = await world.instance('a');
    const foreign = { ...world.context(), accountId: 'account-00000000-0000-4000-8000-0000000000bb' };
    expect(code(await world.run(AttachPeer, { network_id, instance_id }, foreign))).toBe('network_not_found');
    await world.append(
      instance_id,
      InstanceTerminated({ instance_id: instance_id as `instance-${string}`, node_id: `node-${instance_id.slice(9)}` }),
    );
    expect(code(await world.run(AttachPeer, { network_id, instance_id }))).toBe('instance_gone');
    expect(
      code(await world.run(AttachPeer, { network_id, instance_id: 'instance-00000000-0000-4000-8000-000000000001' })),
    ).toBe('instance_not_found');
  });

  it('reserve one address for a cluster however often they are asked, and take candidates that are peers only', async () => {
    const world = new OverlayWorld();
    const { network_id, members } = await world.cluster('a', 'b');
    const reserve = {
      network_id,
      name: 'c-api',
      purpose: 'k3s_api_endpoint',
      cluster_id: 'cluster-00000000-0000-4000-8000-000000000001',
    };
    const first = await world.ok(ReserveVirtualIp, reserve);
    expect(await world.ok(ReserveVirtualIp, reserve)).toEqual(first);
    expect(first.address).toMatch(/::100$/);
    const wrong = { instance_id: members[0]!.instance_id, peer_id: members[1]!.peer_id };
    expect(
      code(await world.run(SetVirtualIpCandidates, { virtual_ip_id: first.virtual_ip_id, candidates: [wrong] })),
    ).toBe('MissingSdwanPeerError');
    await world.ok(ReleaseVirtualIp, { virtual_ip_id: first.virtual_ip_id, reason: 'x' });
    expect(code(await world.run(ReleaseVirtualIp, { virtual_ip_id: first.virtual_ip_id, reason: 'x' }))).toBe('done');
  });

  it('do not delete a network in use nor change a pod prefix under a cluster', async () => {
    const world = new OverlayWorld();
    const { network_id, members } = await world.cluster('a');
    await world.platform.drain();
    expect(code(await world.run(DeleteNetwork, { network_id }))).toBe('network_in_use');
    expect(code(await world.run(UpdateNetwork, { network_id, pod_subnet_prefix: '10.42.0.0/16' }))).toBe('done');
    await world.ok(DetachPeer, { peer_id: members[0]!.peer_id, reason: 'x' });
    await world.platform.drain();
    expect(code(await world.run(DeleteNetwork, { network_id }))).toBe('done');
    expect(code(await world.run(CreateNetwork, { name: 'net-a', pod_subnet_prefix: '10.42.0.0/16' }))).toBe('done');
  });

  it('let one of many racing redeemers in, and put the device out again', async () => {
    const world = new OverlayWorld();
    const { network_id, members } = await world.cluster('a');
    const grant_id = 'access_grant-00000000-0000-4000-8000-000000000001';
    const token = 'secret';
    await world.ok(CreateAccessGrant, {
      network_id,
      grant_id,
      name: 'ws',
      tags: ['operator-ws'],
      token_digest: sha256Hex(token),
      expires_at_ms: world.clock.wallMs() + 60_000,
    });
    const redeem = (n: number) =>
      world.platform.dispatch(
        new RedeemAccessGrant(
          {
            grant_id,
            token_digest: sha256Hex(token),
            device_token_digest: 'x',
            public_key: Buffer.alloc(32, n + 1).toString('base64'),
            device_name: `d${n}`,
          },
          world.context(),
        ),
      );
    const results = await all(
      world,
      Array.from({ length: 20 }, (_, n) => redeem(n)),
    );
    expect(results.map(code).sort()).toEqual([...Array.from({ length: 19 }, () => 'bootstrap_token_gone'), 'done']);
    await world.clock.advance(10);
    const { peers } = world.model.networks.get(network_id)!;
    expect([...peers.values()].filter((p) => p.kind === 'device')).toMatchObject([{ tags: ['operator-ws'] }]);
    const section = () =>
      [...world.model.compile(members[0]!.instance_id).get(`network/${network_id}`)!.keys()].filter((k) =>
        k.startsWith('peer/'),
      );
    expect(section()).toHaveLength(1);
    await world.ok(RevokeAccessGrant, { grant_id, reason: 'lost' });
    expect(section()).toHaveLength(0);
  });

  it('detach the peers of a terminated instance and move its virtual IP, by the process manager alone', async () => {
    const world = new OverlayWorld();
    const { network_id, members } = await world.cluster('a', 'b', 'c');
    const vip = await world.virtualIp(network_id, members);
    const { instance_id } = members[0]!;
    await world.append(instance_id, InstanceTerminated({ instance_id, node_id: `node-${instance_id.slice(9)}` }));
    await all(world, [world.platform.drain()]);
    // Detached in the middle of the move, the old holder can no longer acknowledge: the deadline of that step has to pass.
    await world.clock.advance(1_500);
    expect(world.model.peer(members[0]!.peer_id)).toBeUndefined();
    expect(world.model.virtualIp(vip.virtual_ip_id)!.vip.holder?.instance_id).not.toBe(instance_id);
  });
});

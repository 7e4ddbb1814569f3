import { sha256Hex } from '#kernel';
import {
  AnnouncePeerKey,
  AssignPeerPodCidr,
  AttachPeer,
  CreateAccessGrant,
  CreateNetwork,
  DetachPeer,
  RedeemAccessGrant,
  RevokeAccessGrant,
  UpdateNetwork,
} from './commands.js';
import { PeerKeyAnnounced } from '../domain/events.js';
import { OverlayWorld } from '../testing/overlay-world.js';
import { code, all } from '../testing/outcomes.js';

describe('overlay commands on peers', () => {
  it('give racing attachments addresses of their own, and the same instance the same peer', async () => {
    const world = new OverlayWorld();
    const { network_id } = await world.ok(CreateNetwork, { name: 'n' });
    const instances = [];
    for (let n = 0; n < 6; n++) instances.push(await world.instance(`i${n}`));
    const twice = [...instances, ...instances];
    const results = await all(
      world,
      twice.map((instance_id) => world.platform.dispatch(new AttachPeer({ network_id, instance_id }, world.context()))),
    );
    const peers = results.map((r) => (r as { value: { peer_id: string; address_v6: string } }).value);
    expect(results.map(code)).toEqual(twice.map(() => 'done'));
    expect(new Set(peers.map((p) => p.peer_id)).size).toBe(instances.length);
    expect(new Set(peers.map((p) => p.address_v6)).size).toBe(instances.length);
  });

  it('make another peer with another address after a detach', async () => {
    const world = new OverlayWorld();
    const { network_id, members } = await world.cluster('a');
    const before = world.model.peer(members[0]!.peer_id)!.addressV6;
    await world.ok(DetachPeer, { peer_id: members[0]!.peer_id, reason: 'x' });
    const again = await world.ok(AttachPeer, { network_id, instance_id: members[0]!.instance_id });
    expect(again.peer_id).not.toBe(members[0]!.peer_id);
    expect(again.address_v6).not.toBe(before);
  });

  it('give address and port back when a detach was killed after any of its appends and is repeated', async () => {
    for (let survive = 0; survive < 4; survive++) {
      const world = new OverlayWorld();
      const { members } = await world.cluster('a');
      const detach = { peer_id: members[0]!.peer_id, reason: 'x' };
      const context = world.context();
      const { store } = world.platform;
      const before = await store.head();
      const append = store.append.bind(store);
      let left = survive;
      store.append = (request) => (left-- > 0 ? append(request) : Promise.reject(new Error('killed')));
      await world.run(DetachPeer, detach, context).catch((error: Error) => expect(error.message).toBe('killed'));
      store.append = append;
      expect(code(await world.run(DetachPeer, detach, context))).toBe('done');
      const { events } = await store.readAll(before, { limit: 100 });
      const given = events.map((e) => e.type).filter((type) => /detached$|released$/.test(type));
      expect(given.toSorted()).toEqual([
        'system.sdwan.address.released',
        'system.sdwan.peer.detached',
        'system.sdwan.port.released',
      ]);
    }
  });

  it('give a pod range to one peer: the next one takes it, what overlaps or is the whole prefix is refused', async () => {
    const world = new OverlayWorld();
    const { network_id, members } = await world.cluster('a', 'b');
    await world.ok(UpdateNetwork, { network_id, pod_subnet_prefix: '10.42.0.0/16' });
    const [a, b] = members.map((m) => m.peer_id) as [string, string];
    const assign = async (peer_id: string, pod_cidr: string) =>
      code(await world.run(AssignPeerPodCidr, { peer_id, pod_cidr }));
    const ranges = () => [a, b].map((id) => world.model.peer(id)?.podCidrs);
    // Host bits do not make another range.
    expect(await assign(a, '10.42.1.7/24')).toBe('done');
    expect(ranges()).toEqual([['10.42.1.0/24'], []]);
    expect(await assign(b, '10.42.1.0/24')).toBe('done');
    expect(ranges()).toEqual([[], ['10.42.1.0/24']]);
    expect(await assign(a, '10.42.1.128/25')).toBe('pod_cidr_overlaps');
    expect(await assign(a, '10.42.0.0/23')).toBe('pod_cidr_overlaps');
    expect(await assign(a, '10.42.0.0/16')).toBe('pod_cidr_invalid');
    expect(ranges()).toEqual([[], ['10.42.1.0/24']]);
    // Another range of the same family frees the first one, and so does a detach.
    expect(await assign(b, '10.42.2.0/24')).toBe('done');
    expect(await assign(a, '10.42.1.128/25')).toBe('done');
    await world.ok(DetachPeer, { peer_id: b, reason: 'x' });
    expect(await assign(a, '10.42.2.0/23')).toBe('done');
    expect(await assign(b, '10.42.9.0/24')).toBe('peer_not_found');
  });

  it('give ranges of an IPv6 pod prefix as well', async () => {
    const world = new OverlayWorld();
    const { network_id, members } = await world.cluster('a', 'b');
    await world.ok(UpdateNetwork, { network_id, pod_subnet_prefix: 'fd42::/56' });
    const [a, b] = members.map((m) => m.peer_id) as [string, string];
    await world.ok(AssignPeerPodCidr, { peer_id: a, pod_cidr: 'fd42:0:0:1::/64' });
    expect(code(await world.run(AssignPeerPodCidr, { peer_id: b, pod_cidr: 'fd42:0:0:1:8000::/65' }))).toBe(
      'pod_cidr_overlaps',
    );
    expect(code(await world.run(AssignPeerPodCidr, { peer_id: b, pod_cidr: '10.42.1.0/24' }))).toBe('pod_cidr_invalid');
    await world.ok(AssignPeerPodCidr, { peer_id: b, pod_cidr: 'fd42:0:0:2::/64' });
    expect([a, b].map((id) => world.model.peer(id)?.podCidrs)).toEqual([['fd42:0:0:1::/64'], ['fd42:0:0:2::/64']]);
  });

  it('leave a pod range with at most one peer when its taking was killed after any of its appends', async () => {
    for (let survive = 0; survive < 3; survive++) {
      const world = new OverlayWorld();
      const { network_id, members } = await world.cluster('a', 'b');
      await world.ok(UpdateNetwork, { network_id, pod_subnet_prefix: '10.42.0.0/16' });
      await world.ok(AssignPeerPodCidr, { peer_id: members[0]!.peer_id, pod_cidr: '10.42.1.0/24' });
      const take = { peer_id: members[1]!.peer_id, pod_cidr: '10.42.1.0/24' };
      const { store } = world.platform;
      const append = store.append.bind(store);
      let left = survive;
      store.append = (request) => (left-- > 0 ? append(request) : Promise.reject(new Error('killed')));
      await world.run(AssignPeerPodCidr, take).catch((error: Error) => expect(error.message).toBe('killed'));
      store.append = append;
      const held = () => members.map((m) => world.model.peer(m.peer_id)!.podCidrs.length);
      expect(held()[0]! + held()[1]!).toBeLessThan(2);
      await world.ok(AssignPeerPodCidr, take);
      expect(held()).toEqual([0, 1]);
    }
  });

  it('refuse a public key that another peer of the network has, without spending a grant, until that one is detached', async () => {
    const world = new OverlayWorld();
    const { network_id, members } = await world.cluster('a', 'b');
    const [a, b] = members.map((m) => m.peer_id) as [string, string];
    const keyOf = (id: string) => world.model.peer(id)!.publicKey!;
    const [keyA, keyB] = [keyOf(a), keyOf(b)];
    const announce = async (peer_id: string, public_key: string, listen_port = 51_820) =>
      code(await world.run(AnnouncePeerKey, { peer_id, public_key, listen_port }));
    expect(await announce(b, keyA)).toBe('public_key_taken');
    expect(await announce(b, keyB)).toBe('done');
    const fresh = Buffer.alloc(32, 7).toString('base64');
    expect(await announce(b, fresh, 0)).toBe('listen_port_invalid');
    const grant_id = 'access_grant-00000000-0000-4000-8000-000000000001';
    const token_digest = sha256Hex('secret');
    const expires_at_ms = world.clock.wallMs() + 60_000;
    await world.ok(CreateAccessGrant, { network_id, grant_id, name: 'ws', tags: [], token_digest, expires_at_ms });
    const redeem = async (public_key: string) =>
      code(
        await world.run(RedeemAccessGrant, {
          grant_id,
          token_digest,
          device_token_digest: 'x',
          public_key,
          device_name: 'd',
        }),
      );
    expect(await redeem(keyA)).toBe('public_key_taken');
    expect(await redeem(fresh)).toBe('done');
    expect(await announce(a, fresh)).toBe('public_key_taken');
    expect([keyOf(a), keyOf(b)]).toEqual([keyA, keyB]);
    await world.ok(DetachPeer, { peer_id: a, reason: 'x' });
    expect(await announce(b, keyA)).toBe('done');
    // Its old key is free again, and so is the one of a revoked device.
    const again = await world.ok(AttachPeer, { network_id, instance_id: members[0]!.instance_id });
    expect(await announce(again.peer_id, keyB)).toBe('done');
    await world.ok(RevokeAccessGrant, { grant_id, reason: 'x' });
    expect(await announce(again.peer_id, fresh)).toBe('done');
    expect([keyOf(again.peer_id), keyOf(b)]).toEqual([fresh, keyA]);
  });

  it('tell nobody of a second peer with a key when the log has one', async () => {
    const world = new OverlayWorld();
    const { network_id, members } = await world.cluster('a', 'b', 'c');
    const [a, b] = members.map((m) => m.peer_id) as [`sdwan_peer-${string}`, `sdwan_peer-${string}`];
    const public_key = world.model.peer(b)!.publicKey!;
    const ids = { peer_id: a, network_id: network_id as `sdwan_network-${string}` };
    await world.append(a, PeerKeyAnnounced({ ...ids, public_key, listen_port: 51_820 }));
    const section = world.model.compile(members[2]!.instance_id).get(`network/${network_id}`)!;
    expect([...section.keys()].filter((key) => key.startsWith('peer/'))).toEqual([`peer/${b}`]);
  });
});

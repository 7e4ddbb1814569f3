import { deterministicUuid, isoTime, type DomainEvent } from '#kernel';
import { agentV1 } from '#proto';
import {
  AddressAllocated,
  NetworkCreated,
  PeerAttached,
  PeerKeyAnnounced,
  PeerPodCidrAssigned,
  PrefixClaimed,
} from '../domain/events.js';
import { OverlayWorld } from '../testing/overlay-world.js';
import {
  AnnouncePeerKey,
  AssignPeerPodCidr,
  AttachPeer,
  CreateNetwork,
  DetachPeer,
  RotatePeerKey,
  UpdatePeer,
} from './commands.js';
import { modelAt } from './model-at.js';
import { ledgerStreamOf, portStreamOf, prefixStreamOf } from './writes.js';

const code = (result: { kind: string; refusal?: { code: string } }) =>
  result.kind === 'refused' ? result.refusal!.code : result.kind;
const key = (n: number) => Buffer.alloc(32, n).toString('base64');
const network_id = `sdwan_network-${deterministicUuid('old')}` as const;

/**
 * What a platform wrote before keys, ports, pod ranges and LANs were claimed: a network with two nodes, written to the log as
 * it stands there, field by field.
 */
const oldLog = async () => {
  const world = new OverlayWorld();
  const cidrs = { cidr_64: 'fd00:abcd:1:1::/64', cidr_v4: '100.64.16.0/20', pod_subnet_prefix: '10.42.0.0/16' };
  const put = (stream: string, ...events: DomainEvent[]) => world.append(stream, ...events);
  await put(prefixStreamOf(world.accountId), PrefixClaimed({ network_id, handle: 'abcdef', ...cidrs }));
  await put(network_id, NetworkCreated({ network_id, name: 'old', handle: 'abcdef', routing_mode: null, ...cidrs }));
  const peers = [];
  for (const n of [0, 1]) {
    const instance_id = (await world.instance(`old-${n}`)) as `instance-${string}`;
    const peer_id = `sdwan_peer-${deterministicUuid('sdwan_peer', network_id, instance_id, 0)}` as const;
    const at = { address_v6: `fd00:abcd:1:1::1:${n}`, address_v4: `100.64.16.${16 + n}` };
    await put(
      ledgerStreamOf(network_id),
      AddressAllocated({ network_id, owner_id: peer_id, range: 'node', index: n, ...at }),
    );
    await put(
      peer_id,
      PeerAttached({
        ...{ peer_id, network_id, instance_id, ...at, kind: 'node', name: `old-${n}`, grant_id: null, tags: [] },
        ...{
          publicly_reachable: false,
          endpoint_host: null,
          endpoint_port: null,
          listen_port: 51_820,
          public_key: null,
        },
      }),
      PeerKeyAnnounced({ peer_id, network_id, public_key: key(n + 1), listen_port: 51_820 }),
      PeerPodCidrAssigned({ peer_id, network_id, pod_cidr: `10.42.${n}.0/24` }),
    );
    peers.push({ peer_id, instance_id });
  }
  await world.clock.advance(20);
  return { world, peers: peers as [(typeof peers)[0], (typeof peers)[0]] };
};

describe('a log from before anything was claimed', () => {
  it('compiles as it did', async () => {
    const { world, peers } = await oldLog();
    const { compiled } = world.model.compilePeer(peers[0].peer_id)!;
    expect(compiled.peers).toEqual([
      expect.objectContaining({
        public_key: key(2),
        allowed_ips: ['fd00:abcd:1:1::1:1/128', '100.64.16.17/32', '10.42.1.0/24'],
      }),
    ]);
    expect(Object.keys(compiled.interface)).not.toContain('rotation');
  });

  it('lets nobody else have a key or a pod range that is in use, and who has them keeps them', async () => {
    const { world, peers } = await oldLog();
    const instance_id = await world.instance('new');
    const { peer_id } = await world.ok(AttachPeer, { network_id, instance_id });
    const taken = await world.run(AnnouncePeerKey, { peer_id, public_key: key(2), listen_port: 51_820 });
    expect(code(taken)).toBe('public_key_taken');
    await world.ok(AnnouncePeerKey, { peer_id, public_key: key(9), listen_port: 51_820 });
    expect(code(await world.run(AssignPeerPodCidr, { peer_id, pod_cidr: '10.42.1.0/25' }))).toBe('pod_cidr_overlaps');
    // Kubernetes gives the range of a deleted node to the next one: then it moves, and no two have it.
    await world.ok(AssignPeerPodCidr, { peer_id, pod_cidr: '10.42.1.0/24' });
    expect(world.model.peer(peers[1].peer_id)!.podCidrs).toEqual([]);
    expect(world.model.peer(peer_id)!.podCidrs).toEqual(['10.42.1.0/24']);
    expect(world.model.peer(peers[0].peer_id)!.podCidrs).toEqual(['10.42.0.0/24']);
    const again = { peer_id: peers[0].peer_id, public_key: key(1), listen_port: 51_820 };
    expect(code(await world.run(AnnouncePeerKey, again))).toBe('done');
  });

  it('has its ports in use: another network of the node takes another one', async () => {
    const { world, peers } = await oldLog();
    const other = await world.ok(CreateNetwork, { name: 'other' });
    const { instance_id, peer_id: old } = peers[0];
    const wanted = { network_id: other.network_id, instance_id, listen_port: 51_820 };
    expect(code(await world.run(AttachPeer, wanted))).toBe('listen_port_taken');
    const { peer_id } = await world.ok(AttachPeer, { network_id: other.network_id, instance_id });
    expect(world.model.peer(peer_id)!.listenPort).toBe(51_821);
    await world.ok(DetachPeer, { peer_id: old, reason: 'test' });
    const third = await world.ok(CreateNetwork, { name: 'third' });
    const { peer_id: free } = await world.ok(AttachPeer, { network_id: third.network_id, instance_id });
    expect(world.model.peer(free)!.listenPort).toBe(51_820);
    expect((await world.events(portStreamOf(instance_id))).map(({ type }) => type)).toContain('released');
  });

  it('tells any configuration of its past, whatever has changed since', async () => {
    const { world, peers } = await oldLog();
    const [{ peer_id, instance_id }, other] = peers;
    const config = { DROVER_VIP_BEAT_MS: 200, DROVER_VIP_LEASE_MS: 600 };
    const now = () => JSON.stringify(world.model.compilePeer(other.peer_id)!.compiled);
    const seen: { readonly at: string; readonly compiled: string }[] = [];
    const note = async () => {
      seen.push({ at: isoTime(world.clock.wallMs()), compiled: now() });
      await world.clock.advance(1_000);
    };
    await note();
    await world.ok(RotatePeerKey, { peer_id, reason: 'operator' });
    const told: agentV1.PeerKey = { networkId: network_id, publicKey: key(1), listenPort: 51_820 };
    const identity = world.identity(instance_id);
    await world.observer.onPeerKey(identity, { ...told, nextPublicKey: key(7), rotation: 1n });
    await world.clock.advance(20);
    await note();
    await world.observer.onPeerKey(identity, { ...told, publicKey: key(7) });
    await world.ok(UpdatePeer, { peer_id, lan_subnets: ['192.168.7.0/24'], endpoint_host: 'gw.example.org' });
    await note();
    await world.ok(DetachPeer, { peer_id, reason: 'test' });
    await note();
    expect(new Set(seen.map(({ compiled }) => compiled)).size).toBe(4);
    for (const { at, compiled } of seen) {
      const then = await modelAt(world.platform.store, at, config);
      expect(JSON.stringify(then.compilePeer(other.peer_id)!.compiled)).toBe(compiled);
    }
  });

  it('can change its keys and get LANs like any other', async () => {
    const { world, peers } = await oldLog();
    const [{ peer_id, instance_id }] = peers;
    await world.ok(RotatePeerKey, { peer_id, reason: 'operator' });
    expect(world.model.compilePeer(peer_id)!.compiled.interface.rotation).toBe(1);
    const told: agentV1.PeerKey = { networkId: network_id, publicKey: key(1), listenPort: 51_820 };
    const next = { ...told, nextPublicKey: key(7), rotation: 1n };
    await world.observer.onPeerKey(world.identity(instance_id), next);
    await world.clock.advance(20);
    const seen = () => world.model.compilePeer(peers[1].peer_id)!.compiled.peers[0]!;
    expect([seen().public_key, seen().next_public_key]).toEqual([key(1), key(7)]);
    await world.observer.onPeerKey(world.identity(instance_id), { ...told, publicKey: key(7) });
    await world.clock.advance(20);
    expect([seen().public_key, seen().next_public_key]).toEqual([key(7), undefined]);
    await world.ok(UpdatePeer, { peer_id, lan_subnets: ['192.168.7.0/24'] });
    expect(seen().allowed_ips).toContain('192.168.7.0/24');
    expect(code(await world.run(UpdatePeer, { peer_id, lan_subnets: ['10.42.9.0/24'] }))).toBe('lan_subnet_overlap');
    const bad = { peer_id, endpoint_host: 'https://gw.example.org:51820' };
    expect(code(await world.run(UpdatePeer, bad))).toBe('endpoint_host_invalid');
    // Gone with the peer: another one may have them.
    await world.ok(DetachPeer, { peer_id, reason: 'test' });
    await world.ok(UpdatePeer, { peer_id: peers[1].peer_id, lan_subnets: ['192.168.7.0/24'] });
  });
});

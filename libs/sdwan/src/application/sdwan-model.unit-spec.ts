import { deterministicUuid, seededRandom, type DomainEvent } from '#kernel';
import { position, type RecordedEvent } from '#event-store';
import {
  NetworkCreated,
  PeerAttached,
  PeerDetached,
  PeerKeyAnnounced,
  VirtualIpAllocated,
  VirtualIpCandidatesChanged,
  VirtualIpMoved,
  VirtualIpMoveStarted,
  VirtualIpReserved,
} from '../domain/events.js';
import { SdwanModel } from './sdwan-model.js';

const network_id = `sdwan_network-${deterministicUuid('n')}` as const;
const instance = (n: number) => `instance-${deterministicUuid('i', n)}` as const;
const peer = (n: number) => `sdwan_peer-${deterministicUuid('p', n)}` as const;
const random = seededRandom(1);
const key = () => Buffer.from(random.bytes(32)).toString('base64');

class Feed {
  readonly model = new SdwanModel({ beatMs: 200, ttlMs: 600 });
  private at = 0n;
  put(event: DomainEvent): Set<string> {
    const recorded = {
      ...event,
      id: '',
      schemaVersion: 1,
      stream: 's-1',
      version: 1,
      position: position(++this.at),
      recordedAt: '2026-01-01T00:00:00.000Z',
      meta: {
        accountId: 'account-a',
        actor: { kind: 'system', id: 'x' },
        commandId: '',
        correlationId: '',
        causationId: '',
        occurredAt: '',
        severity: 'info',
        links: {},
        topics: [],
      },
    } as unknown as RecordedEvent;
    return new Set(this.model.apply(recorded));
  }
  attach(n: number, publicly_reachable = false, network = network_id as string) {
    return this.put(
      PeerAttached({
        peer_id: peer(n),
        network_id: network as typeof network_id,
        kind: 'node',
        instance_id: instance(n),
        grant_id: null,
        name: `p${n}`,
        address_v6: `fd00:1::1:${n.toString(16)}`,
        address_v4: `100.64.${Math.floor(n / 200)}.${(n % 200) + 1}`,
        publicly_reachable,
        endpoint_host: null,
        endpoint_port: null,
        listen_port: 51820,
        tags: [],
        public_key: null,
      }),
    );
  }
  key(n: number, network = network_id as string) {
    return this.put(
      PeerKeyAnnounced({
        peer_id: peer(n),
        network_id: network as typeof network_id,
        public_key: key(),
        listen_port: 51820,
      }),
    );
  }
}

const create = (id: string = network_id) =>
  NetworkCreated({
    network_id: id as typeof network_id,
    name: 'n',
    handle: 'abcdef',
    cidr_64: 'fd00:1::/64',
    cidr_v4: '100.64.0.0/20',
    routing_mode: null,
    pod_subnet_prefix: null,
  });

describe('the folded overlay', () => {
  it('names exactly the nodes that an event concerns', () => {
    const feed = new Feed();
    feed.put(create());
    expect([...feed.attach(1)]).toEqual([instance(1)]);
    feed.key(1);
    expect(feed.attach(2)).toEqual(new Set([instance(2)]));
    expect(feed.key(2)).toEqual(new Set([instance(1), instance(2)]));
    expect(feed.attach(3, true)).toEqual(new Set([instance(1), instance(2), instance(3)]));
    feed.key(3);
    feed.attach(4);
    expect(feed.key(4)).toEqual(new Set([instance(3), instance(4)]));
    expect(feed.put(PeerDetached({ peer_id: peer(4), network_id, reason: 'x' })).has(instance(3))).toBe(true);
    expect(feed.model.compile(instance(4)).size).toBe(0);
  });

  it('keeps networks apart and ignores what it has folded before', () => {
    const other = `sdwan_network-${deterministicUuid('other')}`;
    const feed = new Feed();
    feed.put(create());
    feed.put(create(other));
    feed.attach(1);
    feed.attach(2, false, other);
    feed.key(1);
    expect(feed.key(2, other)).toEqual(new Set([instance(2)]));
    expect([...feed.model.compile(instance(1)).keys()]).toEqual([`network/${network_id}`]);
  });

  it('shows a move to nobody but the new holder until it is complete', () => {
    const feed = new Feed();
    feed.put(create());
    for (const n of [1, 2, 3]) {
      feed.attach(n);
      feed.key(n);
    }
    const virtual_ip_id = `virtual_ip-${deterministicUuid('v')}` as const;
    const member = (n: number) => ({ instance_id: instance(n), peer_id: peer(n) });
    const ids = { virtual_ip_id, vip: 'fd00:1::100' };
    feed.put(
      VirtualIpReserved({
        virtual_ip_id,
        network_id,
        name: 'v',
        purpose: 'x',
        address: 'fd00:1::100',
        cluster_id: null,
      }),
    );
    feed.put(VirtualIpCandidatesChanged({ virtual_ip_id, candidates: [member(1), member(2)] }));
    feed.put(VirtualIpAllocated({ ...ids, purpose: 'x', network_id, holder: member(1), epoch: 1 }));
    const seen = () =>
      [1, 2, 3].map((n) => {
        const item = feed.model.compile(instance(n)).get(`network/${network_id}`)!.get(`vip/${virtual_ip_id}`) as {
          epoch: number;
          role: string;
        };
        return `${item.epoch} ${item.role}`;
      });
    expect(seen()).toEqual(['1 holder', '1 candidate', '1 member']);
    feed.put(VirtualIpMoveStarted({ ...ids, epoch: 2, from: member(1), to: member(2), reason: 'drain' }));
    expect(seen()).toEqual(['1 holder', '2 holder', '1 member']);
    feed.put(
      VirtualIpMoved({
        ...ids,
        epoch: 2,
        from: member(1),
        to: member(2),
        reason: 'drain',
        acks_ms: {},
        unacked: [],
        outage_estimate_ms: 0,
      }),
    );
    expect(seen()).toEqual(['2 candidate', '2 holder', '2 member']);
  });

  it('compiles 1,000 nodes again after one changed, sharing the items that did not change', () => {
    const feed = new Feed();
    feed.put(create());
    for (let n = 0; n < 1_000; n++) {
      feed.attach(n);
      feed.key(n);
    }
    const all = () =>
      Array.from({ length: 1_000 }, (_, n) => feed.model.compile(instance(n)).get(`network/${network_id}`)!);
    const before = all();
    feed.key(7);
    const from = performance.now();
    const after = all();
    const ms = performance.now() - from;
    expect(after[1]!.get(`peer/${peer(2)}`)).toBe(before[500]!.get(`peer/${peer(2)}`));
    expect(after[1]!.get(`peer/${peer(7)}`)).not.toBe(before[1]!.get(`peer/${peer(7)}`));
    console.log(`1,000 sections in ${Math.round(ms)} ms`);
  });
});

import { deterministicId } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { VirtualIpMoved, VirtualIpMoveFailed, VirtualIpMoveStarted, VirtualIpReserved } from '../domain/events.js';
import { movesView } from '../tools/views.js';
import { sdwanVirtualIps, type VirtualIpDoc } from './virtual-ips.js';

const vip = { virtual_ip_id: deterministicId('virtual_ip', 'test'), vip: 'fd00::100' } as const;
const member = (n: number) => ({
  instance_id: deterministicId('instance', `${n}`),
  peer_id: deterministicId('sdwan_peer', `${n}`),
});

/** Folds what happened; the minute of each is its number. */
const fold = (...made: readonly { readonly type: string; readonly data: object }[]): VirtualIpDoc =>
  made.reduce<VirtualIpDoc | undefined>((doc, { type, data }, n) => {
    const recordedAt = `2026-01-01T00:0${n}:00.000Z`;
    const event = { type, data, recordedAt, meta: { accountId: 'account-1' } } as unknown as RecordedEvent;
    return sdwanVirtualIps.fold(doc, event, vip.virtual_ip_id);
  }, undefined)!;

describe('the record of a virtual IP’s moves', () => {
  it('names from whom, to whom, why, who followed when, who did not, and for how long nothing answered', () => {
    const reserved = VirtualIpReserved({
      virtual_ip_id: vip.virtual_ip_id,
      network_id: deterministicId('sdwan_network', 'test'),
      cluster_id: null,
      name: 'api',
      purpose: 'operator',
      address: vip.vip,
    });
    const [from, b, c] = [member(1), member(2), member(3)];
    const started = (epoch: number, to: typeof b) =>
      VirtualIpMoveStarted({ ...vip, epoch, from, to, reason: 'lease_lost' });
    const doc = fold(
      reserved,
      started(2, b),
      VirtualIpMoveFailed({ ...vip, epoch: 2, to: b, reason: 'no ack in time' }),
      started(3, c),
      VirtualIpMoved({
        ...vip,
        ...{ epoch: 3, from, to: c, reason: 'lease_lost' },
        acks_ms: { [c.peer_id]: 12 },
        unacked: [from.peer_id],
        outage_estimate_ms: 640,
      }),
      started(4, b),
    );
    expect(movesView(doc)).toEqual([
      expect.objectContaining({ epoch: 2, to: b.instance_id, outcome: 'failed', at: '2026-01-01T00:02:00.000Z' }),
      {
        epoch: 3,
        reason: 'lease_lost',
        from: from.instance_id,
        to: c.instance_id,
        outcome: 'moved',
        started_at: '2026-01-01T00:03:00.000Z',
        at: '2026-01-01T00:04:00.000Z',
        acks_ms: { [c.peer_id]: 12 },
        unacked: [from.peer_id],
        outage_estimate_ms: 640,
      },
      expect.objectContaining({ epoch: 4, outcome: 'running', acks_ms: {} }),
    ]);
  });

  it('holds the newest twenty', () => {
    const many = Array.from({ length: 30 }, (_, n) =>
      VirtualIpMoveStarted({ ...vip, epoch: n + 2, from: null, to: member(1), reason: 'operator' }),
    );
    const doc = many.reduce<VirtualIpDoc>(
      (known, { type, data }) =>
        sdwanVirtualIps.fold(
          known,
          { type, data, recordedAt: '2026-01-01T00:00:00.000Z', meta: {} } as unknown as RecordedEvent,
          vip.virtual_ip_id,
        )!,
      fold(
        VirtualIpReserved({
          virtual_ip_id: vip.virtual_ip_id,
          network_id: deterministicId('sdwan_network', 'test'),
          cluster_id: null,
          name: 'api',
          purpose: 'operator',
          address: vip.vip,
        }),
      ),
    );
    expect(doc.moves.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 20 }, (_, n) => n + 12));
  });
});

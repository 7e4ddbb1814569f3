import type { EventOf } from '#kernel';
import { defineProjection } from '#processing';
import type { RecordedEvent } from '#event-store';
import {
  VirtualIpAllocated,
  VirtualIpMoved,
  VirtualIpMoveFailed,
  VirtualIpMoveStarted,
  VirtualIpReleased,
  VirtualIpStranded,
} from '../domain/events.js';
import {
  evolveVirtualIp,
  initialVirtualIp,
  type LiveVirtualIp,
  type Member,
  type VirtualIpEvent,
} from '../domain/virtual-ip/state.js';

export interface VipAssignment {
  readonly epoch: number;
  readonly instance_id: string;
  readonly peer_id: string;
  readonly reason: string;
  readonly assumed_at: string;
  readonly released_at: string | null;
}
export interface LastMove {
  readonly epoch: number;
  readonly reason: string;
  readonly from: string | null;
  readonly to: string;
  readonly at: string;
  readonly acks_ms: Readonly<Record<string, number>>;
  readonly unacked: readonly string[];
  readonly outage_estimate_ms: number;
}
/** Every move that was begun, also one that came to nothing. */
export interface MoveRecord extends LastMove {
  readonly started_at: string;
  readonly outcome: 'running' | 'moved' | 'failed';
}
export interface VirtualIpDoc {
  readonly account: string;
  readonly id: string;
  readonly network_id: string;
  readonly cluster_id: string | null;
  readonly name: string;
  readonly purpose: string;
  readonly state: LiveVirtualIp['status'];
  readonly vip: LiveVirtualIp;
  readonly last_move: LastMove | null;
  /** Oldest first; the newest 20. */
  readonly moves: readonly MoveRecord[];
  /** Oldest first; the newest 50. */
  readonly assignments: readonly VipAssignment[];
  readonly created_at: string;
}

export const sdwanVirtualIps = defineProjection<VirtualIpDoc>({
  name: 'sdwan_virtual_ips',
  version: 2,
  keys: (event) => (event.type.startsWith('system.sdwan.virtual_ip.') ? [String(event.data.virtual_ip_id)] : []),
  fold(doc, event) {
    const vip = evolveVirtualIp(doc?.vip ?? initialVirtualIp, event as unknown as VirtualIpEvent);
    if (vip.status === 'none') return doc;
    return {
      account: doc?.account ?? event.meta.accountId,
      id: vip.virtualIpId,
      network_id: vip.networkId,
      cluster_id: vip.clusterId,
      name: vip.name,
      purpose: vip.purpose,
      state: vip.status,
      vip,
      last_move: event.type === VirtualIpMoved.type ? lastMove(event) : (doc?.last_move ?? null),
      moves: moves(doc?.moves ?? [], event),
      assignments: assignments(doc?.assignments ?? [], event),
      created_at: doc?.created_at ?? event.recordedAt,
    };
  },
  columns: ({ account, network_id, cluster_id, name, purpose, state }) => ({
    account,
    network_id,
    cluster_id,
    name,
    purpose,
    state,
  }),
  columnTypes: { network_id: 'text', cluster_id: 'text', name: 'text', purpose: 'text', state: 'text' },
});

const lastMove = (event: RecordedEvent): LastMove => {
  const d = event.data as EventOf<typeof VirtualIpMoved>['data'];
  return {
    epoch: d.epoch,
    reason: d.reason,
    from: d.from?.instance_id ?? null,
    to: d.to.instance_id,
    at: event.recordedAt,
    acks_ms: d.acks_ms,
    unacked: d.unacked,
    outage_estimate_ms: d.outage_estimate_ms,
  };
};

const moves = (known: readonly MoveRecord[], event: RecordedEvent): readonly MoveRecord[] => {
  const ended = (epoch: number, more: Partial<MoveRecord>) =>
    known.map((move) => (move.epoch === epoch ? { ...move, at: event.recordedAt, ...more } : move));
  if (event.type === VirtualIpMoveStarted.type) {
    const { epoch, reason, from, to } = event.data as EventOf<typeof VirtualIpMoveStarted>['data'];
    const at = { at: event.recordedAt, started_at: event.recordedAt };
    const made = { epoch, reason, from: from?.instance_id ?? null, to: to.instance_id, ...at };
    const running = { ...made, outcome: 'running', acks_ms: {}, unacked: [], outage_estimate_ms: 0 } as const;
    return [...known, running].slice(-20);
  }
  if (event.type === VirtualIpMoved.type) {
    const { epoch } = event.data as EventOf<typeof VirtualIpMoved>['data'];
    return ended(epoch, { ...lastMove(event), outcome: 'moved' });
  }
  if (event.type === VirtualIpMoveFailed.type)
    return ended((event.data as EventOf<typeof VirtualIpMoveFailed>['data']).epoch, { outcome: 'failed' });
  return known;
};

const assignments = (known: readonly VipAssignment[], event: RecordedEvent): readonly VipAssignment[] => {
  const at = event.recordedAt;
  const closed = () => known.map((a) => (a.released_at === null ? { ...a, released_at: at } : a));
  const opened = (member: Member, epoch: number, reason: string): readonly VipAssignment[] =>
    [...closed(), { epoch, ...member, reason, assumed_at: at, released_at: null }].slice(-50);
  if (event.type === VirtualIpAllocated.type) {
    const d = event.data as EventOf<typeof VirtualIpAllocated>['data'];
    return opened(d.holder, d.epoch, 'initial');
  }
  if (event.type === VirtualIpMoved.type) {
    const d = event.data as EventOf<typeof VirtualIpMoved>['data'];
    return opened(d.to, d.epoch, d.reason);
  }
  return event.type === VirtualIpStranded.type || event.type === VirtualIpReleased.type ? closed() : known;
};

import type { RecordedEvent } from '#event-store';

export interface VipMove {
  readonly virtual_ip_id: string;
  readonly address: string | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly epoch: number | null;
  readonly reason: string | null;
  readonly outcome: 'allocated' | 'moved' | 'moving' | 'failed' | 'stranded' | 'released';
  readonly at_ms: number;
}

const PREFIX = 'system.sdwan.virtual_ip.';
const OUTCOMES: Readonly<Record<string, VipMove['outcome']>> = {
  allocated: 'allocated',
  move_started: 'moving',
  moved: 'moved',
  move_failed: 'failed',
  stranded: 'stranded',
  released: 'released',
};

const instanceOf = (member: unknown): string | null => {
  const id: unknown = typeof member === 'object' && member !== null ? Reflect.get(member, 'instance_id') : undefined;
  return typeof id === 'string' ? id : null;
};
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** What happens to virtual IPs, told by their events' kinds; a start is left out when its end is there. */
export const vipMoves = (events: readonly RecordedEvent[], atMs: (event: RecordedEvent) => number): VipMove[] => {
  const moves = events.flatMap((event): VipMove[] => {
    const outcome = event.type.startsWith(PREFIX) ? OUTCOMES[event.type.slice(PREFIX.length)] : undefined;
    if (outcome === undefined) return [];
    const { data } = event;
    return [
      {
        virtual_ip_id: event.stream,
        address: textOf(data['vip']),
        from: instanceOf(data['from'] ?? data['last_holder']),
        to: instanceOf(data['to'] ?? data['holder']),
        epoch: typeof data['epoch'] === 'number' ? data['epoch'] : null,
        reason: textOf(data['reason']),
        outcome,
        at_ms: atMs(event),
      },
    ];
  });
  const ended = (move: VipMove) =>
    moves.some(
      (m) =>
        m.virtual_ip_id === move.virtual_ip_id && m.epoch === move.epoch && ['moved', 'failed'].includes(m.outcome),
    );
  return moves.filter((move) => move.outcome !== 'moving' || !ended(move));
};

import type { Clock, Ids, Log, Timers } from '#kernel';
import type { AgentLink } from '#agent-gateway';
import type { RecordedEvent } from '#event-store';
import type { CommandContext, Transactor } from '#processing';
import type { LiveVirtualIp, Member } from '../../domain/virtual-ip/state.js';
import type { LeaseTimes } from '../../domain/wireguard-compiler/model.js';
import type { SdwanModel } from '../sdwan-model.js';
import type { MoveCause, MoveResult } from './move-run.js';

export interface CoordinatorDeps {
  readonly model: SdwanModel;
  readonly transactor: Transactor;
  readonly link: AgentLink;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: Ids;
  readonly log: Log;
  readonly lease: LeaseTimes;
  holderReady(vipId: string, epoch: number, holder: Member): void;
}

export const FAILOVER = { kind: 'system', id: 'sdwan_failover' } as const;
export const causeOf = ({ id, meta }: RecordedEvent): MoveCause => ({
  commandId: id,
  correlationId: meta.correlationId,
  actor: FAILOVER,
});

export const aborted = ({ epoch }: LiveVirtualIp, detail: string): MoveResult => ({
  ...{ outcome: 'aborted', detail, epoch, to: null, durationMs: 0 },
});

export const NOT_LEADING = 'another process leads now';

/** What a move's events are written with. */
export const contextOf =
  ({ ids, clock }: Pick<CoordinatorDeps, 'ids' | 'clock'>) =>
  (accountId: string, causedBy?: MoveCause): CommandContext => {
    const commandId = ids.uuid();
    return {
      commandId,
      correlationId: causedBy?.correlationId ?? commandId,
      causationId: causedBy?.commandId ?? commandId,
      accountId,
      actor: causedBy?.actor ?? FAILOVER,
      nowMs: clock.wallMs(),
      ...(causedBy?.via === undefined ? {} : { via: causedBy.via }),
    };
  };

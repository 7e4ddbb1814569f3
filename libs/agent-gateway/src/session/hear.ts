import { assertNever, type Clock, type Log, failpointNow } from '#kernel';
import type { agentV1 } from '#proto';
import type { Settling } from '../liveness/settling.js';
import type { AgentRecord } from './agent-record.js';
import { weightOf } from './bounds.js';
import type { Session } from './session.js';

/** What hearing needs of the hub. */
export interface Hearing {
  readonly deps: {
    readonly clock: Pick<Clock, 'monotonicMs'>;
    readonly log: Log;
    readonly onTunnelFailed: (instanceId: string, message: agentV1.TunnelFailed) => void;
  };
  readonly settling: Settling;
  beat(record: AgentRecord, session: Session): void;
}

/**
 * One message of a live stream. Beats and receipts are handled at once, and what a VIP that is away may be waiting for is told at
 * once; the rest goes to the observers in order, each when what came before is written.
 */
export const hear = (
  hub: Hearing,
  record: AgentRecord,
  session: Session,
  message: NonNullable<agentV1.SyncRequest['message']>,
): void => {
  const news =
    message.$case === 'hello' ||
    message.$case === 'peerKey' ||
    message.$case === 'runtimeHealth' ||
    message.$case === 'driftRepaired';
  if (news && !record.news.take(hub.deps.clock.monotonicMs()))
    return session.bye('too_many_messages', `${message.$case} comes too often`);
  switch (message.$case) {
    case 'heartbeat':
      hub.beat(record, session);
      return session.priority({ message: { $case: 'heartbeatAck', value: { seq: message.value.seq } } });
    case 'hello':
      record.adopt(message.value);
      return session.resync(message.value);
    case 'applied': {
      failpointNow('receipt.heard');
      const { section, generation, errors } = message.value;
      record.receive(message.value);
      const now = hub.deps.clock.monotonicMs();
      if (errors.length === 0) hub.settling.applied(section, generation, record.agent.instanceId, now);
      return record.notify((o, agent) => o.onApplied?.(agent, message.value), session);
    }
    case 'vipAck':
      return record.tell((o, agent) => o.onVipAck?.(agent, message.value), session);
    case 'observed':
      return record.notify((o, agent) => o.onObserved?.(agent, message.value), session, weightOf(message));
    case 'peerKey':
      return record.notify((o, agent) => o.onPeerKey?.(agent, message.value), session);
    case 'driftRepaired':
      return record.notify((o, agent) => o.onDriftRepaired?.(agent, message.value), session);
    case 'votePromise':
      return record.tell((o, agent) => o.onVotePromise?.(agent, message.value), session);
    case 'leaseBeat':
      return record.tell((o, agent) => o.onLeaseBeat?.(agent, message.value), session);
    case 'runtimeHealth':
      return record.notify((o, agent) => o.onRuntimeHealth?.(agent, message.value), session);
    case 'log': {
      if (!record.logLines.take(hub.deps.clock.monotonicMs())) return;
      const { level, message: text } = message.value;
      return hub.deps.log.info({ instanceId: record.agent.instanceId, level, text }, 'agent says');
    }
    case 'tunnelFailed':
      return hub.deps.onTunnelFailed(record.agent.instanceId, message.value);
    default:
      return assertNever(message);
  }
};

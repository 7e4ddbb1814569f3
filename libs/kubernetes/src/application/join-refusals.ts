import { accept, nothing, type Decider, type DomainEvent, type Refusal } from '#kernel';
import { HandshakeJoinRefused } from '../domain/cluster/events.js';

interface RefusalState {
  /** What was refused last, so that an agent that asks every second makes one event, not one a second. */
  readonly last: string | null;
}

interface RecordRefusal {
  readonly instanceId: string;
  readonly target: string | null;
  readonly refusal: Refusal;
  readonly candidates: readonly string[];
}

const keyOf = (code: string, target: string | null, candidates: readonly string[]) =>
  [code, target ?? '', ...candidates].join(' ');

/** On the instance's stream: a refused join may concern no cluster at all. */
export const joinRefusals: Decider<RefusalState, RecordRefusal, DomainEvent> = {
  initial: { last: null },
  evolve: (state, event) => {
    if (event.type === 'system.k3s.handshake.join_refused') {
      const data = event.data as ReturnType<typeof HandshakeJoinRefused>['data'];
      return { last: keyOf(data.code, data.target_cluster_id, data.candidates) };
    }
    return event.type === 'system.k3s.module.assigned' ? { last: null } : state;
  },
  decide: (command, state) =>
    state.last === keyOf(command.refusal.code, command.target, command.candidates)
      ? nothing('already_recorded')
      : accept(
          HandshakeJoinRefused(
            {
              instance_id: command.instanceId as never,
              code: command.refusal.code,
              message: command.refusal.message,
              target_cluster_id: command.target,
              candidates: [...command.candidates],
            },
            { links: { instance: command.instanceId } },
          ),
        ),
};

import { defineProcessManager, type ProcessOutput } from '#processing';
import {
  evolveRollout,
  isActive,
  isFinished,
  isKnown,
  labelOf,
  noRollout,
  progressOf,
  type Rollout,
  type RolloutEvent,
  type RolloutState,
} from '../../domain/upgrade/state.js';
import { goesOnAlone } from '../../domain/upgrade/advice.js';
import { AdvanceRollout } from './commands.js';

interface State {
  readonly rollout: RolloutState;
  /** A look is under way; every command is answered exactly once. */
  readonly asked: boolean;
  /** Something happened since that look began. */
  readonly again: boolean;
  /** The latest moment that is known here. */
  readonly nowMs: number;
  /** Looks since something last happened. */
  readonly idle: number;
}

const TIMER = 'look';
/** Quick after something happened, patient later: a look that finds nothing new is three events in the log. */
const QUICK_MS = 1_000;
const PATIENT_MS = 5_000;
const QUICK_LOOKS = 15;
/** For two minutes after something was heard of a server: it may take that long until all of it answers. */
const HOPEFUL_LOOKS = 36;
/** What goes on by itself is looked at for as long as it is promised to, whatever was not heard. */
const SLOW_MS = 5 * 60_000;

const look = (state: State): { state: State; outputs: ProcessOutput[] } => {
  const { rollout } = state;
  if (!isKnown(rollout) || isFinished(rollout)) return { state, outputs: [{ kind: 'cancel_timer', name: TIMER }] };
  if (state.asked) return { state: { ...state, again: true }, outputs: [] };
  const payload = { cluster_id: rollout.clusterId, run: rollout.run };
  return {
    state: { ...state, asked: true, again: false },
    outputs: [{ kind: 'command', type: AdvanceRollout.type, payload }],
  };
};

const GONE = 'system.k3s.cluster.decommissioned';
/** What a rollout that stopped for a server may have waited for. */
const BACK: readonly string[] = ['system.k3s.node.ready', 'system.k3s.node.removed'];
const isRollout = (event: { readonly type: string }): boolean => event.type.startsWith('system.k3s.rollout.');

const rests = ({ status, nodes }: Rollout): boolean =>
  (status === 'paused' || status === 'stopped') && !nodes.some(isActive);

/** Nothing is under way, and nothing begins before an operator says so: that word is an event, and it is looked at then. */
const waits = ({ rollout }: State): boolean => {
  if (!isKnown(rollout) || isFinished(rollout)) return true;
  return rests(rollout) && !goesOnAlone(rollout);
};

const paceMs = ({ rollout, idle }: State): number => {
  if (idle < QUICK_LOOKS) return QUICK_MS;
  return isKnown(rollout) && rests(rollout) && idle >= HOPEFUL_LOOKS ? SLOW_MS : PATIENT_MS;
};

const noteOf = (rollout: RolloutState): ProcessOutput[] => {
  if (!isKnown(rollout)) return [];
  const { percent, done, total } = progressOf(rollout);
  return [
    { kind: 'note', text: `${rollout.change.kind} ${labelOf(rollout)}: ${done} of ${total} nodes, ${percent} %` },
  ];
};

/**
 * Carries a rollout on, one process per cluster: it looks whenever something happened in the rollout, and every few seconds
 * besides. What to do is decided by the handler from the rollout's own stream, so a platform that dies is no matter.
 */
export const rolloutManager = defineProcessManager<State>({
  name: 'kubernetes_rollouts',
  agentId: 'kubernetes_upgrade_agent',
  correlate: (event) =>
    isRollout(event) || event.type === GONE || BACK.includes(event.type) ? String(event.data['cluster_id']) : undefined,
  initial: { rollout: noRollout, asked: false, again: false, nowMs: 0, idle: 0 },
  react: (state, input) => {
    switch (input.kind) {
      case 'event': {
        const nowMs = Math.max(state.nowMs, Date.parse(input.event.meta.occurredAt));
        if (!isRollout(input.event)) return look({ ...state, nowMs, idle: 0 });
        const fact = { type: input.event.type, data: input.event.data } as unknown as RolloutEvent;
        const next = look({ ...state, rollout: evolveRollout(state.rollout, fact), nowMs, idle: 0 });
        return { ...next, outputs: [...noteOf(next.state.rollout), ...next.outputs] };
      }
      case 'timer':
        return look({ ...state, nowMs: Math.max(state.nowMs, input.dueMs) });
      case 'command_result': {
        const answered = { ...state, asked: false };
        if (state.again) return look(answered);
        if (waits(state)) return { state: answered, outputs: [] };
        const dueMs = state.nowMs + paceMs(state);
        return {
          state: { ...answered, idle: state.idle + 1 },
          outputs: [{ kind: 'timer', name: TIMER, dueMs }],
        };
      }
    }
  },
});

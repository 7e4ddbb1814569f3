import { accept, nothing, reject, type Decision, type InstanceId } from '#kernel';
import { InstanceDrainRequested, InstanceTerminateRequested, InstanceWiped, InstanceWipeStuck } from './events.js';
import { WIPE_STUCK_NEXT } from './outlook.js';
import { instanceNotFound, notRunning } from './refusals.js';
import { isFinal, linksOf, shapeOf, type InstanceEvent, type InstanceState, type KnownInstance } from './state.js';

/** End it for good, but let what runs there move away first. */
export interface RequestTermination {
  readonly kind: 'request_termination';
  readonly timeoutSeconds: number;
}

export const requestTermination = (state: KnownInstance, c: RequestTermination): Decision<InstanceEvent> => {
  if (state.phase !== 'running') return reject(notRunning(state, 'drained before its end'));
  if (state.terminating === true) return nothing('terminating_already');
  const data = { instance_id: state.instanceId as InstanceId, timeout_seconds: c.timeoutSeconds };
  const links = linksOf(state);
  const wanted = InstanceTerminateRequested(data, { links });
  return state.drain === 'none'
    ? accept<InstanceEvent>(wanted, InstanceDrainRequested(data, { links }))
    : accept<InstanceEvent>(wanted);
};

/** Its agent has left the machine as it found it, as far as it could. */
export interface RecordWiped {
  readonly kind: 'wiped';
  readonly removed: readonly string[];
  readonly left: readonly string[];
}

export const wiped = (state: InstanceState, c: RecordWiped): Decision<InstanceEvent> => {
  if (state.kind === 'absent') return reject(instanceNotFound());
  if (!isFinal(state)) return nothing('not_over');
  if (state.wiped !== undefined) return nothing('told_before');
  const data = { instance_id: state.instanceId as InstanceId, removed: [...c.removed], left: [...c.left] };
  return accept<InstanceEvent>(InstanceWiped(data, { links: linksOf(state) }));
};

/**
 * So many reasons of one instance are told. Whoever has the machine of an instance that is over can say what it likes, and
 * must not be able to call somebody in the night as often as it likes.
 */
export const MAX_STUCK_REASONS = 20;

/** Its agent is there, and the machine is not clean yet. */
export interface RecordWipeStuck {
  readonly kind: 'wipe_stuck';
  readonly reason: string;
}

export const wipeStuck = (state: InstanceState, c: RecordWipeStuck): Decision<InstanceEvent> => {
  if (state.kind === 'absent') return reject(instanceNotFound());
  if (!isFinal(state) || state.wiped !== undefined) return nothing('not_wiping');
  const told = state.wipeStuckTold ?? [];
  if (told.includes(shapeOf(c.reason))) return nothing('told_before');
  if (told.length >= MAX_STUCK_REASONS) return nothing('told_enough');
  const data = { instance_id: state.instanceId as InstanceId, reason: c.reason, next_action: WIPE_STUCK_NEXT };
  return accept<InstanceEvent>(InstanceWipeStuck(data, { links: linksOf(state) }));
};

import { accept, nothing, reject, type Decision, type InstanceId } from '#kernel';
import { InstanceDrainRequested, InstanceTerminateRequested } from './events.js';
import { notRunning } from './refusals.js';
import { linksOf, type InstanceEvent, type KnownInstance } from './state.js';

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

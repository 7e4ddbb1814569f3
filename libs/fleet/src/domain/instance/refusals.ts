import { refusal, type Refusal } from '#kernel';
import { statusOf, type InstanceState, type KnownInstance } from './state.js';

export const instanceNotFound = (): Refusal =>
  refusal(404, 'instance_not_found', 'there is no such instance', {
    field: 'id',
    hint: 'system_list_instances shows the instances of this account',
  });

/** Why nothing more can be asked of an instance, or undefined when it is alive. */
export const instanceGone = (state: InstanceState): Refusal | undefined => {
  if (state.kind === 'absent') return instanceNotFound();
  if (state.phase !== 'terminated' && state.phase !== 'forgotten') return undefined;
  return refusal(410, `instance_${state.phase}`, `instance ${state.name} was ${state.phase}`, {
    field: 'id',
    hint: 'system_provision_instance makes a new instance of its node',
  });
};

export const notRunning = (state: KnownInstance, wanted: string): Refusal =>
  refusal(409, 'instance_not_running', `instance ${state.name} is ${statusOf(state)}; it cannot be ${wanted}`, {
    field: 'id',
    hint: 'wait until its agent is online',
  });

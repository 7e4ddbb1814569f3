import { accept, nothing, type Decision, type InstanceId } from '#kernel';
import { familyOf } from '../module-catalogue.js';
import { without } from '../without.js';
import { ModuleStopped, ModuleStopStuck } from './events.js';
import { linksOf, shapeOf, type InstanceEvent, type KnownInstance } from './state.js';
import { MAX_STUCK_REASONS } from './termination.js';

/** Its agent was told that a runtime is to go, and says how that went. */
export interface RecordStop {
  readonly kind: 'runtime_stop';
  readonly moduleName: string;
  /** Why it cannot be stopped; null: it is. */
  readonly stuck: string | null;
}

export const stopNext = (moduleName: string): string =>
  `on the machine: systemctl status ${familyOf(moduleName) === 'docker' ? 'docker' : 'k3s k3s-agent'}, ` +
  'journalctl -u drover-agent; its agent tries again by itself, every 15 s at least';

const stuckNow = (stopStuck: NonNullable<KnownInstance['stopStuck']>) =>
  Object.entries(stopStuck).flatMap(([name, { reason }]) => (reason === null ? [] : [{ name, reason }]));

/** What is advised for the last of them. */
export const stuckNext = ({ stopStuck = {} }: KnownInstance): string | undefined =>
  stuckNow(stopStuck)
    .map(({ name }) => stopNext(name))
    .at(-1);

/** What an operator reads of an instance on which something does not end; undefined where all does. */
export const stuckText = ({ stopStuck = {} }: KnownInstance): string | undefined =>
  stuckNow(stopStuck)
    .map(({ name, reason }) => `${name}: it is to go and cannot be stopped: ${reason}`)
    .at(-1);

export const runtimeStop = (state: KnownInstance, c: RecordStop): Decision<InstanceEvent> => {
  const before = state.stopStuck?.[c.moduleName];
  const data = { instance_id: state.instanceId as InstanceId, module_name: c.moduleName };
  const links = { links: linksOf(state) };
  const isStuck = before !== undefined && before.reason !== null;
  if (c.stuck === null) return isStuck ? accept(ModuleStopped(data, links)) : nothing('was_not_stuck');
  const told = before?.told ?? [];
  if (isStuck && told.includes(shapeOf(c.stuck))) return nothing('told_before');
  // Also over what it says has ended in between: only an operator who assigns it again has it heard anew.
  if (told.length >= MAX_STUCK_REASONS) return nothing('told_enough');
  return accept(ModuleStopStuck({ ...data, reason: c.stuck, next_action: stopNext(c.moduleName) }, links));
};

/** Why it cannot be stopped; null: it has ended. */
export const stopSaid = (state: KnownInstance, moduleName: string, reason: string | null): KnownInstance => {
  const before = state.stopStuck?.[moduleName]?.told ?? [];
  const told = reason === null ? before : [...before, shapeOf(reason)];
  return { ...state, stopStuck: { ...state.stopStuck, [moduleName]: { reason, told } } };
};

/** It is wanted again, or its machine is over or another one. */
export const stopOver = (state: KnownInstance, moduleName?: string): KnownInstance => {
  if (state.stopStuck === undefined) return state;
  const rest = moduleName === undefined ? {} : without(state.stopStuck, moduleName);
  return { ...state, stopStuck: Object.keys(rest).length === 0 ? undefined : rest };
};

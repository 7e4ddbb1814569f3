import { defineProcessManager, type ProcessOutput } from '#processing';
import { SyncInstanceModules } from './commands.js';

interface State {
  /** Instances that were made from this template or changed to it; one that left again is harmless here. */
  readonly instances: readonly string[];
}

const sync = (template_id: string, instance_ids: readonly string[]): ProcessOutput => ({
  kind: 'command',
  type: SyncInstanceModules.type,
  payload: { template_id, instance_ids },
});

/**
 * Carries a template's module assignments to its instances, one process per template. The command handlers do the same at
 * once; this is what remains when one crashed in between, or when its read model did not know an instance yet.
 */
export const fleetAssignments = defineProcessManager<State>({
  name: 'fleet_assignments',
  agentId: 'fleet_manager_agent',
  correlate: (event) => {
    switch (event.type) {
      case 'system.instance.created':
      case 'system.instance.template_changed':
      case 'system.template.module_assigned':
      case 'system.template.module_unassigned':
      case 'system.template.assignment_suspended':
        return String(event.data['template_id']);
      default:
        return undefined;
    }
  },
  initial: { instances: [] },
  react: (state, input) => {
    if (input.kind !== 'event') {
      const refused = input.kind === 'command_result' && input.outcome === 'refused';
      return { state, outputs: refused ? [{ kind: 'note', text: `not carried over: ${input.message ?? ''}` }] : [] };
    }
    const { event } = input;
    const template = String(event.data['template_id']);
    if (event.type.startsWith('system.instance.')) {
      const id = String(event.data['instance_id']);
      const instances = state.instances.includes(id) ? state.instances : [...state.instances, id];
      return { state: { instances }, outputs: [sync(template, [id])] };
    }
    if (state.instances.length === 0) return { state, outputs: [] };
    const note: ProcessOutput = { kind: 'note', text: `${event.type}: ${state.instances.length} instances follow` };
    return { state, outputs: [note, sync(template, state.instances)] };
  },
});

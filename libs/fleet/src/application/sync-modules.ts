import { deterministicUuid } from '#kernel';
import type { Position } from '#event-store';
import type { CommandContext } from '#processing';
import { instanceDecider } from '../domain/instance/decide.js';
import type { SyncModules } from '../domain/instance/modules.js';
import { templateDecider } from '../domain/template/decide.js';
import { activeAssignments, type TemplateState } from '../domain/template/state.js';
import { fleetInstances } from '../projections/fleet-instances.js';
import type { FleetServices } from './services.js';
import { latest, markOf } from './use.js';

/** Instances that are written at the same time: the event store commits them in groups. */
const AT_ONCE = 64;

const reasonsOf = (template: TemplateState): Record<string, string> =>
  template.kind !== 'live'
    ? {}
    : Object.fromEntries(
        Object.values(template.assignments).flatMap((a) => {
          if (a.suspended !== null) return [[a.assignment_id, `suspended: ${a.suspended}`]];
          return a.enabled ? [] : [[a.assignment_id, 'disabled']];
        }),
      );

/**
 * Makes the modules of these instances what their template says now, and leaves instances of other templates alone. Streams
 * are read, never a read model; an instance remembers which version of the template it carries, so that of two racing calls
 * the one with the newer view wins. Answers where the last change is. Throws when it could not be done; safe to repeat.
 */
export const syncInstances = async (
  services: FleetServices,
  templateId: string,
  instanceIds: readonly string[],
  context: CommandContext,
): Promise<Position | undefined> => {
  const template = (await services.transactor.read(templateId, templateDecider))?.state ?? templateDecider.initial;
  const command: SyncModules = {
    kind: 'sync_modules',
    templateId,
    templateVersion: template.kind === 'absent' ? 0 : template.version,
    assignments: activeAssignments(template),
    reasons: reasonsOf(template),
  };
  let last: Position | undefined;
  for (let at = 0; at < instanceIds.length; at += AT_ONCE) {
    const group = instanceIds.slice(at, at + AT_ONCE);
    const marks = await Promise.all(group.map((id) => syncOne(services, id, command, context)));
    last = marks.reduce(latest, last);
  }
  return last;
};

const syncOne = async (
  { transactor }: FleetServices,
  instanceId: string,
  command: SyncModules,
  context: CommandContext,
): Promise<Position | undefined> => {
  const { templateId, templateVersion } = command;
  const commandId = deterministicUuid('sync-modules', context.commandId, instanceId, templateId, templateVersion);
  const synced = await transactor.transact(instanceId, instanceDecider, command, { ...context, commandId });
  // Only a race that never settled is refused here: whoever sent the command sends it again.
  if (synced.kind === 'refused') throw new Error(`modules of ${instanceId}: ${synced.refusal.message}`);
  return markOf(synced);
};

/** Every instance of a template that the read model knows; the process manager reaches those it does not know yet. */
export const syncInstancesOf = async (
  services: FleetServices,
  templateId: string,
  context: CommandContext,
): Promise<Position | undefined> => {
  const where = { account: context.accountId, template_id: templateId, final: false };
  const instances = await services.readModels.find(fleetInstances, { where });
  return syncInstances(
    services,
    templateId,
    instances.map(({ id }) => id),
    context,
  );
};

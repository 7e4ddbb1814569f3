import { deterministicUuid } from '#kernel';
import type { Position } from '#event-store';
import type { CommandContext, CommandResult } from '#processing';
import { instanceDecider } from '../domain/instance/decide.js';
import { templateDecider } from '../domain/template/decide.js';
import { activeAssignments, type TemplateState } from '../domain/template/state.js';
import { fleetInstances } from '../projections/fleet-instances.js';
import type { FleetServices } from './services.js';
import { done, latest, markOf } from './use.js';

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
 * Makes one instance's modules what its template says now. Both streams are read, never a read model; the instance
 * remembers which version of the template it carries, so that of two racing calls the one with the newer view wins.
 */
export const syncInstance = async (
  services: FleetServices,
  instanceId: string,
  context: CommandContext,
): Promise<CommandResult<void>> => {
  const instance = await services.transactor.read(instanceId, instanceDecider);
  if (instance === undefined || instance.state.kind === 'absent') return done(undefined);
  const { templateId } = instance.state;
  const template = (await services.transactor.read(templateId, templateDecider))?.state ?? templateDecider.initial;
  const command = {
    kind: 'sync_modules',
    templateId,
    templateVersion: template.kind === 'absent' ? 0 : template.version,
    assignments: activeAssignments(template),
    reasons: reasonsOf(template),
  } as const;
  const commandId = deterministicUuid('sync-modules', context.commandId, instanceId, templateId);
  const synced = await services.transactor.transact(instanceId, instanceDecider, command, { ...context, commandId });
  return synced.kind === 'refused' ? synced : done(undefined, markOf(synced));
};

/** Every instance of a template that the read model knows; the process manager reaches those it does not know yet. */
export const syncInstancesOf = async (
  services: FleetServices,
  templateId: string,
  context: CommandContext,
): Promise<Position | undefined> => {
  const where = { account: context.accountId, template_id: templateId, final: false };
  const instances = await services.readModels.find(fleetInstances, { where });
  let last: Position | undefined;
  for (const instance of instances) {
    const synced = await syncInstance(services, instance.id, context);
    if (synced.kind === 'done') last = latest(last, synced.position);
    else services.log.warn({ instance: instance.id, code: synced.refusal.code }, 'modules not carried over yet');
  }
  return last;
};

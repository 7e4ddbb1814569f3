import { deterministicId, deterministicUuid, RefusedError } from '#kernel';
import { claimName, releaseName } from '#access';
import type { CommandContext, CommandResult } from '#processing';
import { artifactOf } from '../../domain/module-catalogue.js';
import { templateDecider } from '../../domain/template/decide.js';
import { fleetNodes } from '../../projections/fleet-nodes.js';
import { unknownDriver } from '../../provisioning/drivers.js';
import {
  AssignModule,
  CreateTemplate,
  DeleteTemplate,
  SuspendAssignment,
  UnassignModule,
  UpdateTemplate,
} from '../commands.js';
import type { FleetServices } from '../services.js';
import { syncInstancesOf } from '../sync-modules.js';
import { installableVersion } from '../module-versions.js';
import { done, latest, markOf, use } from '../use.js';

const checkDriver = (services: FleetServices, driver: string | null | undefined) =>
  driver === undefined || driver === null || services.drivers.has(driver)
    ? undefined
    : ({ kind: 'refused', refusal: unknownDriver(driver, services.drivers) } as const);

const create = use(CreateTemplate, async (services, payload, context) => {
  const badDriver = checkDriver(services, payload.driver);
  if (badDriver !== undefined) return badDriver;
  const id = deterministicId('template', context.commandId);
  const claim = { kind: 'template', name: payload.name, id } as const;
  const named = await claimName(services.transactor, claim, context);
  if (named.kind === 'refused') return named;
  const { name, description = '', driver = null } = payload;
  const command = { kind: 'create', templateId: id, name, description, driver } as const;
  const made = await services.transactor.transact(id, templateDecider, command, context);
  return made.kind === 'refused' ? made : done({ template_id: id }, markOf(made));
});

/** New name first, old names last: a crash in between leaves a name too many claimed, and a repeat gives it back. */
const update = use(UpdateTemplate, async (services, payload, context) => {
  const badDriver = checkDriver(services, payload.driver);
  if (badDriver !== undefined) return badDriver;
  const { template_id: id, name } = payload;
  const before = await services.transactor.read(id, templateDecider);
  if (name !== undefined && before?.state.kind === 'live') {
    const named = await claimName(services.transactor, { kind: 'template', name, id }, context);
    if (named.kind === 'refused') return named;
  }
  const changed = await services.transactor.transact(id, templateDecider, { ...payload, kind: 'update' }, context);
  if (changed.kind === 'refused') return changed;
  for (const former of changed.state.kind === 'live' ? changed.state.formerNames : [])
    await releaseName(services.transactor, { kind: 'template', name: former, id }, context);
  return done(undefined, markOf(changed));
});

const remove = use(DeleteTemplate, async (services, { template_id: id }, context) => {
  const where = { account: context.accountId, template_id: id };
  const nodes = await services.readModels.find(fleetNodes, { where, limit: 50 });
  const usedBy = nodes.map((node) => ({ id: node.id, name: node.name }));
  const deleted = await services.transactor.transact(id, templateDecider, { kind: 'delete', usedBy }, context);
  if (deleted.kind === 'refused') return deleted;
  if (deleted.state.kind === 'deleted') {
    await releaseName(services.transactor, { kind: 'template', name: deleted.state.name, id }, context);
  }
  return done(undefined, markOf(deleted));
});

type Change = Parameters<typeof templateDecider.decide>[0];

/**
 * Changes what a template carries and takes it to its instances at once. A crash in between is made good by the process
 * manager fleet_assignments, which sends the very same step for every instance.
 */
const changeModules = async <T>(
  services: FleetServices,
  id: string,
  change: Change,
  context: CommandContext,
  value: (moduleName: string) => T,
): Promise<CommandResult<T>> => {
  const changed = await services.transactor.transact(id, templateDecider, change, context);
  if (changed.kind === 'refused') return changed;
  const carried = await syncInstancesOf(services, id, context);
  const assignment =
    changed.state.kind === 'live' && change.kind === 'assign'
      ? changed.state.assignments[change.moduleName]?.assignment_id
      : undefined;
  return done(value(assignment ?? ''), latest(markOf(changed), carried));
};

/** A pinned version must exist and be installable; without a pin the live one is taken when it is needed. */
const checkPin = async (services: FleetServices, name: string, config: object | undefined, accountId: string) => {
  const version = (config as Record<string, unknown> | undefined)?.['version'];
  if (version === undefined || version === null || artifactOf(name) === undefined) return;
  await installableVersion(services.transactor, accountId, name, String(version), 'config.version');
};

const assign = use(AssignModule, async (services, payload, context) => {
  try {
    await checkPin(services, payload.module_name, payload.config, context.accountId);
  } catch (error) {
    if (error instanceof RefusedError) return { kind: 'refused', refusal: error.refusal };
    throw error;
  }
  return changeModules(
    services,
    payload.template_id,
    {
      kind: 'assign',
      moduleName: payload.module_name,
      config: payload.config ?? {},
      priority: payload.priority ?? 100,
      enabled: payload.enabled ?? true,
      newAssignmentId: deterministicUuid('assignment', payload.template_id, context.commandId),
    },
    context,
    (assignment_id) => ({ assignment_id }),
  );
});

const unassign = use(UnassignModule, (services, payload, context) =>
  changeModules(
    services,
    payload.template_id,
    { kind: 'unassign', moduleName: payload.module_name },
    context,
    () => undefined,
  ),
);

const suspend = use(SuspendAssignment, (services, payload, context) =>
  changeModules(
    services,
    payload.template_id,
    { kind: 'suspend', assignmentId: payload.assignment_id, reason: payload.reason },
    context,
    () => undefined,
  ),
);

export const templateUses = [create, update, remove, assign, unassign, suspend] as const;

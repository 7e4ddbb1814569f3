import { accept, nothing, type Decision, type InstanceId, type TemplateId } from '#kernel';
import { familyOf } from '../module-catalogue.js';
import { sameJson, type Assignment } from '../template/state.js';
import {
  DockerModuleAssigned,
  DockerRuntimeInstalling,
  K3sModuleAssigned,
  K3sRuntimeInstalling,
  ModuleAssigned,
  ModuleOverdue,
  ModuleRecovered,
  ModuleRemoved,
  RuntimeFailed,
} from './events.js';
import { moduleNext } from './outlook.js';
import { linksOf, type InstanceEvent, type InstanceModule, type KnownInstance } from './state.js';

/** Makes an instance's modules what its template says. Level-based: whoever sends it, and how often, the result is one. */
export interface SyncModules {
  readonly kind: 'sync_modules';
  readonly templateId: string;
  readonly templateVersion: number;
  readonly assignments: readonly Assignment[];
  /** Why an assignment that is no longer in force went away, by assignment id. */
  readonly reasons: Readonly<Record<string, string>>;
}
export interface RecordInstalling {
  readonly kind: 'installing';
  readonly moduleName: string;
}
export interface RecordFailed {
  readonly kind: 'runtime_failed';
  readonly moduleName: string;
  readonly reason: string;
  /** It was well meanwhile, which this stream does not tell: the same reason is another failure then. */
  readonly anew?: boolean | undefined;
}

/** The module has been in the state that began at `since` for too long. */
export interface RecordModuleOverdue {
  readonly kind: 'module_overdue';
  readonly assignmentId: string;
  readonly status: Exclude<InstanceModule['status'], 'running'>;
  readonly since: string;
  readonly boundMs: number;
}

/** What was told as failed or overdue runs: its runtime's own context says so, or the receipt of its node. */
export interface RecordModuleRecovered {
  readonly kind: 'module_recovered';
  readonly assignmentId: string;
  /** So often it had been told as failed when it came to run: once more is another failure, which is not over. */
  readonly failures: number;
  /** When the trouble began, and when it ran. */
  readonly since: string;
  readonly until: string;
}

const MODULE_ASSIGNED = 'system.module.assigned';

const assigned = (state: KnownInstance, a: Assignment, version: number): InstanceEvent => {
  const data = {
    instance_id: state.instanceId as InstanceId,
    template_id: state.templateId as TemplateId,
    assignment_id: a.assignment_id,
    module_name: a.module_name,
    config: a.config,
    priority: a.priority,
    template_version: version,
  };
  const links = linksOf(state);
  const family = familyOf(a.module_name);
  if (family === 'k3s') return K3sModuleAssigned(data, { links, topics: [MODULE_ASSIGNED] });
  if (family === 'docker') return DockerModuleAssigned(data, { links, topics: [MODULE_ASSIGNED] });
  return ModuleAssigned(data, { links });
};

const carries = (module: InstanceModule | undefined, a: Assignment): boolean =>
  module !== undefined && module.priority === a.priority && sameJson(module.config, a.config);

export const syncModules = (state: KnownInstance, c: SyncModules): Decision<InstanceEvent> => {
  if (c.templateId !== state.templateId) return nothing('other_template');
  if (c.templateVersion < state.templateVersion) return nothing('older_view');
  const wanted = new Set(c.assignments.map((a) => a.assignment_id));
  const gone = Object.values(state.modules).filter((module) => !wanted.has(module.assignmentId));
  const missing = c.assignments.filter((a) => !carries(state.modules[a.assignment_id], a));
  if (gone.length === 0 && missing.length === 0) return nothing('in_sync');
  const removals = gone.map((module) =>
    ModuleRemoved(
      {
        instance_id: state.instanceId as InstanceId,
        assignment_id: module.assignmentId,
        module_name: module.moduleName,
        reason: c.reasons[module.assignmentId] ?? 'no longer assigned by the template',
        template_version: c.templateVersion,
      },
      { links: linksOf(state) },
    ),
  );
  const order = (a: Assignment, b: Assignment) => a.priority - b.priority || (a.module_name < b.module_name ? -1 : 1);
  return accept<InstanceEvent>(
    ...removals,
    ...[...missing].sort(order).map((a) => assigned(state, a, c.templateVersion)),
  );
};

const moduleNamed = (state: KnownInstance, name: string): InstanceModule | undefined =>
  Object.values(state.modules).find((module) => module.moduleName === name);

export const installing = (state: KnownInstance, c: RecordInstalling): Decision<InstanceEvent> => {
  const module = moduleNamed(state, c.moduleName);
  if (module?.status === 'installing') return nothing('installing_already');
  const data = {
    instance_id: state.instanceId as InstanceId,
    assignment_id: module?.assignmentId ?? null,
    module_name: c.moduleName,
  };
  const family = familyOf(c.moduleName);
  if (family === 'k3s') return accept(K3sRuntimeInstalling(data, { links: linksOf(state) }));
  if (family === 'docker') return accept(DockerRuntimeInstalling(data, { links: linksOf(state) }));
  return nothing('no_runtime');
};

export const runtimeFailed = (state: KnownInstance, c: RecordFailed): Decision<InstanceEvent> => {
  const module = moduleNamed(state, c.moduleName);
  if (module === undefined) return nothing('not_assigned');
  if (module.status === 'failed' && module.error === c.reason && c.anew !== true) return nothing('failed_already');
  return accept(
    RuntimeFailed(
      { instance_id: state.instanceId as InstanceId, module_name: c.moduleName, reason: c.reason },
      { links: linksOf(state) },
    ),
  );
};

const WHY = {
  assigned: 'its agent has not begun with it',
  installing: 'it was installed, and has not come to run',
  failed: 'it failed',
} as const;

/** While the machine is not there that is what is reported, not what does not run on it. */
export const moduleOverdue = (state: KnownInstance, c: RecordModuleOverdue): Decision<InstanceEvent> => {
  const module = state.modules[c.assignmentId];
  if (module?.status !== c.status || module.overdueSince === c.since) return nothing('left_or_reported');
  if (state.phase !== 'running' || state.lost) return nothing('instance_is_not_there');
  return accept(
    ModuleOverdue(
      {
        instance_id: state.instanceId as InstanceId,
        assignment_id: module.assignmentId,
        module_name: module.moduleName,
        ...{ state: c.status, since: c.since, bound_seconds: Math.round(c.boundMs / 1_000) },
        reason: module.error ?? WHY[c.status],
        next_action: moduleNext(c.status) ?? '',
      },
      { links: linksOf(state) },
    ),
  );
};

export const moduleRecovered = (state: KnownInstance, c: RecordModuleRecovered): Decision<InstanceEvent> => {
  const module = state.modules[c.assignmentId];
  if (module?.trouble === undefined) return nothing('not_in_trouble');
  if ((module.failures ?? 0) !== c.failures) return nothing('failed_since');
  const lastedMs = Date.parse(c.until) - Date.parse(c.since);
  return accept(
    ModuleRecovered(
      {
        instance_id: state.instanceId as InstanceId,
        assignment_id: module.assignmentId,
        module_name: module.moduleName,
        ...{ from: module.trouble.from, to: 'running', reason: module.trouble.reason },
        ...{ since: c.since, lasted_seconds: Math.max(0, Math.round(lastedMs / 1_000)) },
      },
      { links: linksOf(state) },
    ),
  );
};

import { listed, type ListedProjection } from '#processing';
import { fleetInstances } from './fleet-instances.js';
import { fleetModuleVersions } from './fleet-module-versions.js';
import { fleetNodes } from './fleet-nodes.js';
import { fleetTemplates } from './fleet-templates.js';

export * from './fleet-instances.js';
export * from './fleet-module-versions.js';
export * from './fleet-nodes.js';
export * from './fleet-templates.js';

export const fleetProjections: readonly ListedProjection[] = [
  listed(fleetTemplates),
  listed(fleetNodes),
  listed(fleetInstances),
  listed(fleetModuleVersions),
];

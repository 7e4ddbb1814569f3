export * from './domain/events.js';
export { artifactOf, familyOf, MODULES, type Module, type ModuleFamily } from './domain/module-catalogue.js';
export {
  isFinal,
  statusOf,
  type InstanceModule,
  type InstanceState,
  type InstanceStatus,
  type KnownInstance,
  type Presence,
} from './domain/instance/state.js';
export { evolveInstance } from './domain/instance/evolve.js';
export { instanceDecider } from './domain/instance/decide.js';
export { nodeDecider } from './domain/node/decide.js';
export { moduleVersionsDecider, notInstallable } from './domain/module/decide.js';
export {
  evolveModuleVersions,
  liveVersion,
  noVersions,
  type ModuleVersion,
  type ModuleVersionEvent,
  type ModuleVersions,
} from './domain/module/state.js';
export { templateDecider } from './domain/template/decide.js';
export { activeAssignments, type Assignment, type TemplateState } from './domain/template/state.js';
export * from './application/commands.js';
export { DrainAdvice, type DrainAdvisor, type EndAdvisor } from './application/drain-advice.js';
export { FleetEnrollment } from './application/enrollment.js';
export { fleetAssignments } from './application/fleet-assignments.js';
export { fleetDeadlines } from './application/fleet-deadlines.js';
export { fleetProvisioning } from './application/fleet-provisioning.js';
export { fleetUses } from './application/handlers/index.js';
export { InstanceIndex, type Standing } from './application/instance-index.js';
export { LivenessObserver } from './application/liveness.js';
export { reachableAddress } from './application/join-offer.js';
export { installableVersion, moduleStream, readModuleVersions } from './application/module-versions.js';
export * from './application/resolve.js';
export { FLEET_SERVICES, type FleetServices } from './application/services.js';
export * from './projections/index.js';
export * from './provisioning/driver.js';
export * from './tools/definitions.js';
export { findInstance, findNode, findTemplate } from './tools/find.js';
export * from './fleet.module.js';
export { instanceView, nodeView, templateView } from './tools/views.js';

export * from './explain/definition.js';
export * from './fleet-state-at.js';
export * from './fleet-state-definition.js';
export * from './past-fleet.js';
export * from './time-travel.module.js';
export * from './what-if/definition.js';
export * from './what-if/port.js';

export * from './fleet-state-at.js';
export * from './fleet-state-definition.js';
export * from './past-fleet.js';
export * from './time-travel.module.js';

export * from './fleet-instances.js';
export * from './fleet-module-versions.js';
export * from './fleet-nodes.js';
export * from './fleet-templates.js';

export * from './module-definitions.js';
export * from './node-definitions.js';
export * from './template-definitions.js';
export * from './instance-definitions.js';

export * from './command.js';
export * from './process-manager.js';
export * from './projection.js';
export * from './testing/in-memory-read-models.js';
export * from './transactor.js';
export * from './registrar.js';

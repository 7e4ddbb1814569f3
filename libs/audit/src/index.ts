export * from './audit.module.js';
export * from './recent/event-view.js';
export * from './recent/recent-events.js';
export * from './recent/postgres-recent-events.js';
export * from './tools/definitions.js';
export * from './tools/platform.js';
export * from './tools/verify-audit.js';
export * from './time-travel/index.js';

export * from './gateway.js';
export * from './ports.js';
export { toServiceError, REFUSAL_KEY } from './server/refusals.js';
export * from './store-epoch.js';

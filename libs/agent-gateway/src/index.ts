export * from './gateway.js';
export * from './ports.js';
export * from './store-epoch.js';

export * from './key-definitions.js';
export * from './network-definitions.js';
export * from './vip-definitions.js';
export * from './device-definitions.js';
export * from './insight-definitions.js';
export * from './firewall-definitions.js';

export * from './adapters/memory/memory-event-store.js';
export * from './append-rules.js';
export * from './port.js';

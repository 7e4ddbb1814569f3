import { instanceEvents } from './instance/events.js';
import { moduleVersionEvents } from './module/events.js';
import { nodeEvents } from './node/events.js';
import { templateEvents } from './template/events.js';

export * from './instance/events.js';
export * from './module/events.js';
export * from './node/events.js';
export * from './template/events.js';
export const fleetEvents = [...templateEvents, ...nodeEvents, ...instanceEvents, ...moduleVersionEvents] as const;

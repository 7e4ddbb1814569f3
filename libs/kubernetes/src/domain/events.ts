import { clusterEvents } from './cluster/events.js';
import { nodeWorkEvents } from './node-work/events.js';
import { rolloutEvents } from './upgrade/events.js';

export * from './cluster/events.js';
export * from './node-work/events.js';
export * from './upgrade/events.js';
export const kubernetesEvents = [...clusterEvents, ...nodeWorkEvents, ...rolloutEvents] as const;

import { clusterEvents } from './cluster/events.js';

export * from './cluster/events.js';
export const kubernetesEvents = [...clusterEvents] as const;

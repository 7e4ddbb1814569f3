import { clusterEvents } from './cluster/events.js';
import { kubeconfigEvents } from './kubeconfigs/events.js';
import { nodeWorkEvents } from './node-work/events.js';
import { receiptEvents } from './receipts.js';
import { snapshotEvents } from './snapshots/events.js';
import { rolloutEvents } from './upgrade/events.js';

export * from './cluster/events.js';
export * from './kubeconfigs/events.js';
export * from './node-work/events.js';
export * from './receipts.js';
export * from './snapshots/events.js';
export * from './upgrade/events.js';
export const kubernetesEvents = [
  ...clusterEvents,
  ...nodeWorkEvents,
  ...snapshotEvents,
  ...rolloutEvents,
  ...kubeconfigEvents,
  ...receiptEvents,
] as const;

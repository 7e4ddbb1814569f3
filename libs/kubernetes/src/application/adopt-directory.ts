import type { KubernetesDirectory } from './directory.js';

/** Lets an empty directory begin where another one has come to. What a directory holds is never changed in place. */
export const adoptDirectory = (to: KubernetesDirectory, from: KubernetesDirectory): void => {
  for (const [id, instance] of from.instances) to.instances.set(id, instance);
  for (const [id, peers] of from.peers) to.peers.set(id, peers);
  for (const [id, network] of from.networks) to.networks.set(id, network);
  for (const [id, cluster] of from.clusters) to.clusters.set(id, cluster);
  for (const assignmentId of from.suspended) to.suspended.add(assignmentId);
  for (const name of from.namesEver) to.namesEver.add(name);
  for (const id of from.draining) to.draining.add(id);
  for (const id of from.leaving) to.leaving.add(id);
};

import type { ClusterNode } from './state.js';

export const SILENT_PREFIX = 'no sign of life for ';
const OF_KUBERNETES = 'Kubernetes: ';
/** It answers all the same: a member of etcd that counts (domain/quorum.ts). */
const RUNS_BUT = 'K3s runs, but ';
const FULL = /the disk of .* is full/;

/**
 * Whether a node that is not ready is so for a reason that has to be told instead of the one that was: its agent is there
 * again and says why, its disk is full, which is the cause of all else, or its K3s, that ran all the same, does so no more.
 * Each is told once; other words for it are no news, and neither is the way back, so that nothing flaps.
 */
export const saysMore = ({ status, lastError }: ClusterNode, problem: string | undefined): boolean => {
  // A drained machine that is switched off is one server less; while it is only worked on, its K3s may come and go.
  if (status === 'draining') return problem?.startsWith(SILENT_PREFIX) === true;
  const before = lastError ?? '';
  // What Kubernetes says is Kubernetes's to take back, and its word of a machine that is silent is no more than that.
  if (status !== 'not_ready' || [before, problem ?? OF_KUBERNETES].some((text) => text.startsWith(OF_KUBERNETES)))
    return false;
  if (before.startsWith(SILENT_PREFIX)) return problem?.startsWith(SILENT_PREFIX) === false;
  if (before.startsWith(RUNS_BUT)) return problem?.startsWith(RUNS_BUT) === false;
  return FULL.test(problem ?? '') && !FULL.test(before);
};

import { statusOfState } from '#tools';
import type { KubeconfigDoc } from '../projections/kubeconfigs.js';
import type { SnapshotDoc } from '../projections/snapshots.js';

/** 1: that there be a copy of the cluster's data; 2: that it be gone again. */
export const snapshotConditions = ({ status, updatedAt, error }: SnapshotDoc) => {
  const complete = status === 'available';
  return statusOfState({
    state: status,
    ready: ['available'],
    progressing: ['requested', 'saved'],
    resting: ['deleted'],
    since: updatedAt,
    error,
    generation: status === 'deleted' ? 2 : 1,
    observedGeneration: status === 'deleted' ? 2 : complete ? 1 : null,
    also: [
      {
        type: 'Complete',
        holds: complete,
        reason:
          { available: 'CopyKept', saved: 'OnTheServerOnly', deleted: 'Deleted', failed: 'Failed' }[
            status as 'saved'
          ] ?? 'NotYetMade',
        message: complete
          ? 'the platform keeps a copy: it outlives its server'
          : status === 'saved'
            ? 'it lies on its server, and the platform has no copy yet'
            : 'there is no copy to restore from',
      },
    ],
  });
};

/** 1: that the cluster be what it was. */
export const restoreConditions = ({ status, updatedAt, error, steps, warnings }: SnapshotDoc) =>
  statusOfState({
    state: status,
    ready: ['completed'],
    progressing: ['running'],
    since: updatedAt,
    error,
    generation: 1,
    observedGeneration: status === 'completed' ? 1 : null,
    also: [
      {
        type: 'Complete',
        holds: status === 'completed',
        reason: { completed: 'Restored', failed: 'Failed' }[status as 'failed'] ?? 'GoesOn',
        message: warnings.length > 0 ? warnings.join('; ') : `${steps.length} steps are done`,
      },
    ],
  });

/** 1: that it be in force in its cluster; 2: that it be over, which is observed once nothing of it is left there. */
export const kubeconfigConditions = (doc: KubeconfigDoc, nowMs: number) => {
  const { expiresAt, revoked, revokedAt, issuedAt, ordered = false } = doc;
  const over = Date.parse(expiresAt) <= nowMs;
  const state =
    revoked === null && !over ? 'active' : revoked === 'expired' || revoked === null ? 'expired' : 'revoked';
  return statusOfState({
    state,
    ready: ['active'],
    progressing: [],
    resting: ['expired', 'revoked'],
    since: revokedAt ?? (over ? expiresAt : issuedAt),
    generation: revoked !== null || over || ordered ? 2 : 1,
    observedGeneration: revoked !== null ? 2 : 1,
    also: [
      {
        type: 'Withdrawn',
        holds: revoked !== null,
        reason: revoked === null ? (over || ordered ? 'ClusterNotReached' : 'InForce') : 'NothingLeft',
        message:
          revoked !== null
            ? 'its binding and its service account are gone from the cluster'
            : over
              ? 'its token has expired; its service account is still in the cluster'
              : ordered
                ? `its operator is disabled, but its cluster was not reached yet: it is in force until ${expiresAt} at the latest`
                : `it is in force until ${expiresAt}`,
      },
    ],
  });
};

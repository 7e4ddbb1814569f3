import { deterministicUuid, refusal, type Refusal } from '#kernel';
import type { CommandContext, Transactor } from '#processing';
import { RESTORE, restoreDecider } from '../domain/snapshots/decide.js';
import { acceptedNow } from '../domain/upgrade/advice.js';
import { isActive, isFinished, isKnown, labelOf, type Rollout } from '../domain/upgrade/state.js';
import { derive } from './derive.js';
import { applyRollout, readRollout } from './upgrade/rollouts.js';

type Reads = Pick<Transactor, 'read'>;

/**
 * The restores of a cluster are counted, so that of two callers at once one begins it, on its stream: this is the one that is
 * under way, or the first that never was.
 */
export const lastRestore = async (transactor: Reads, clusterId: string): Promise<{ id: string; running: boolean }> => {
  for (let n = 1; ; n++) {
    const id = `${RESTORE}-${deterministicUuid('restore', clusterId, n)}`;
    const status = (await transactor.read(id, restoreDecider))?.state.status ?? 'absent';
    if (status === 'running' || status === 'absent') return { id, running: status === 'running' };
  }
};

const WHAT = {
  upgrade: 'an upgrade',
  certificates: 'a rotation of certificates',
  server_token: 'a rotation of the server token',
};

export const rolloutUnderWay = async (transactor: Transactor, clusterId: string): Promise<Rollout | undefined> => {
  const state = await readRollout(transactor, clusterId);
  return isKnown(state) && !isFinished(state) ? state : undefined;
};

/** A rollout restarts servers that a restore halts, and a restore takes back what a rollout has just done: one of them at a time. */
export const refusedByRollout = (state: Rollout): Refusal =>
  refusal(
    409,
    'rollout_in_progress',
    `${WHAT[state.change.kind]} of this cluster is ${labelOf(state)} (run ${state.run})`,
    {
      field: 'cluster_id',
      hint: `${waysOut(state)}; kubernetes_get_upgrade shows how far it is`,
    },
  );

const waysOut = (state: Rollout): string => {
  if (acceptedNow(state).includes('abort')) return 'let it end, or end it with kubernetes_abort_upgrade';
  if (state.change.kind !== 'server_token' || state.status !== 'running') return 'let it end';
  return 'let it end, or kubernetes_pause_upgrade it: a restore ends one that stands still';
};

/**
 * A rotation of the server token that stands still and cannot be aborted: the restore brings the token of its snapshot to all
 * servers, so there is nothing left to bring to an end. Otherwise a cluster that lost its servers in the middle had no way out.
 */
export const endedByRestore = (state: Rollout): boolean =>
  state.change.kind === 'server_token' &&
  (state.status === 'stopped' || state.status === 'paused') &&
  !state.nodes.some(isActive);

export const endRotation = async (
  transactor: Transactor,
  { clusterId, run }: Rollout,
  context: CommandContext,
): Promise<void> => {
  await applyRollout(transactor, clusterId, { kind: 'abort' }, derive(context, 'restore_aborts'));
  const finish = { kind: 'finish', outcome: 'aborted' } as const;
  const step = { kind: 'step', run, action: finish, atMs: context.nowMs } as const;
  await applyRollout(transactor, clusterId, step, derive(context, 'restore_ends'));
};

/** Why nothing may be rolled out on this cluster now; undefined when no restore is under way. */
export const refusedByRestore = async (transactor: Reads, clusterId: string): Promise<Refusal | undefined> => {
  const { id, running } = await lastRestore(transactor, clusterId);
  return running
    ? refusal(409, 'restore_is_running', `a restore of this cluster, ${id}, is under way`, {
        field: 'cluster_id',
        hint: 'kubernetes_list_snapshots shows how far it is; call again when it has ended',
      })
    : undefined;
};

import type { ClusterId, InstanceId } from '#kernel';
import { Command } from '#processing';

interface OnCluster {
  readonly cluster_id: ClusterId;
}
interface OnSnapshot {
  readonly snapshot_id: string;
}
interface OnRestore {
  readonly restore_id: string;
}

export class RequestSnapshot extends Command<
  OnCluster & OnSnapshot & { readonly name: string; readonly trigger: 'operator' | 'schedule' },
  void
> {
  static readonly type = 'kubernetes.request_snapshot';
}
/** Makes it on a server, copies it to the platform, and lets go of what the policy no longer keeps. Safe to repeat. */
export class SaveSnapshot extends Command<OnSnapshot, void> {
  static readonly type = 'kubernetes.save_snapshot';
}
export class FailSnapshot extends Command<OnSnapshot & { readonly reason: string }, void> {
  static readonly type = 'kubernetes.fail_snapshot';
}
export class SetSnapshotPolicy extends Command<
  OnCluster & {
    readonly cron: string | null;
    readonly interval_minutes: number | null;
    readonly retention: number;
  },
  void
> {
  static readonly type = 'kubernetes.set_snapshot_policy';
}
export class RequestRestore extends Command<
  OnCluster &
    OnSnapshot &
    OnRestore & {
      readonly instance_id: InstanceId;
      readonly other_servers: readonly InstanceId[];
      readonly force?: boolean;
    },
  void
> {
  static readonly type = 'kubernetes.request_restore';
}
/** Halts the other servers, restores the snapshot on one, and has the others join it. Safe to repeat at any point. */
export class RunRestore extends Command<OnRestore, void> {
  static readonly type = 'kubernetes.run_restore';
}
export class FailRestore extends Command<OnRestore & { readonly reason: string }, void> {
  static readonly type = 'kubernetes.fail_restore';
}
export const snapshotCommands = [
  RequestSnapshot,
  SaveSnapshot,
  FailSnapshot,
  SetSnapshotPolicy,
  RequestRestore,
  RunRestore,
  FailRestore,
] as const;

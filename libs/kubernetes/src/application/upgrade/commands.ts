import type { ClusterId } from '#kernel';
import { Command } from '#processing';
import type { PlannedNode, RolloutOptions } from '../../domain/upgrade/events.js';
import type { Plan } from '../../domain/upgrade/plan.js';

interface OnCluster {
  readonly cluster_id: ClusterId;
}
export interface StartedRollout {
  /** 0 when every node has it already. */
  readonly run: number;
  readonly nodes: readonly PlannedNode[];
  readonly left: Plan['left'];
}

export class StartUpgrade extends Command<
  OnCluster & { readonly version: string; readonly options: RolloutOptions },
  StartedRollout
> {
  static readonly type = 'kubernetes.start_upgrade';
}

/** New certificates, or a new server token, on every node that has them. */
export class StartRotation extends Command<
  OnCluster & {
    readonly what: 'certificates' | 'server_token';
    readonly options: RolloutOptions;
    /** These only, while a server is away: certificates of others may be renewed without it. */
    readonly only?: readonly string[];
  },
  StartedRollout
> {
  static readonly type = 'kubernetes.start_rotation';
}

export class ControlRollout extends Command<
  OnCluster & { readonly action: 'pause' | 'resume' | 'abort' | 'rollback' },
  void
> {
  static readonly type = 'kubernetes.control_rollout';
}

/** One look at the cluster, and what follows from it. Sent by the rollout's process manager; safe to repeat. */
export class AdvanceRollout extends Command<OnCluster & { readonly run: number }, void> {
  static readonly type = 'kubernetes.advance_rollout';
}

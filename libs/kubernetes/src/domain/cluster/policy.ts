import { z } from 'zod';

const seconds = z.number().int().min(5).max(86_400).optional();

/** What an operator may set of a cluster's policy for whatever is stuck. */
export const lifecyclePolicyFields = {
  bootstrap_seconds: seconds,
  claimant_lost_seconds: seconds,
  degraded_seconds: seconds,
  join_seconds: seconds,
  not_ready_seconds: seconds,
  drain_seconds: seconds,
  orphan_seconds: seconds,
  migration_node_seconds: seconds,
  on_stuck_bootstrap: z.enum(['move_claim', 'report']).optional(),
  on_stuck_join: z.enum(['report', 'reap']).optional(),
  on_orphan: z.enum(['reap', 'report']).optional(),
};

export type PolicyChange = {
  readonly [K in keyof typeof lifecyclePolicyFields]?: z.infer<(typeof lifecyclePolicyFields)[K]>;
};
export type LifecyclePolicy = { readonly [K in keyof PolicyChange]-?: NonNullable<PolicyChange[K]> };

/**
 * Agents go on trying by themselves, so a stuck join is told and left alone; an orphan has nobody who could try. A claim
 * is taken from a lost claimant soon, because nothing that anybody uses exists yet.
 */
export const DEFAULT_POLICY: LifecyclePolicy = {
  bootstrap_seconds: 600,
  claimant_lost_seconds: 60,
  degraded_seconds: 900,
  join_seconds: 300,
  not_ready_seconds: 900,
  drain_seconds: 3_600,
  orphan_seconds: 600,
  migration_node_seconds: 300,
  on_stuck_bootstrap: 'move_claim',
  on_stuck_join: 'report',
  on_orphan: 'reap',
};

export const withPolicy = (policy: LifecyclePolicy, change: PolicyChange): LifecyclePolicy => {
  const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  return { ...policy, ...given };
};

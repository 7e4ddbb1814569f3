import { z } from 'zod';
import { defineEvent, idSchema } from '#kernel';

const ids = { cluster_id: idSchema('cluster'), instance_id: idSchema('instance') };

/** Pods are leaving a node that is being drained. */
export const NodeDrainProgress = defineEvent(
  'system.k3s.node.drain_progress',
  1,
  z.object({
    ...ids,
    evicted: z.number().int(),
    remaining: z.number().int(),
    /** Pods that a disruption budget keeps for now. */
    blocked: z.array(z.string()),
  }),
);
/** Nothing of a removed node is left in Kubernetes: no etcd member, no Node object, no record of who bore its name. */
export const NodeLeft = defineEvent(
  'system.k3s.node.left',
  1,
  z.object({
    ...ids,
    node_name: z.string(),
    etcd_member: z.enum(['removed', 'none']),
    node_object: z.enum(['deleted', 'absent']),
    name_record: z.enum(['deleted', 'absent']),
  }),
);
/** What is left of a removed node in Kubernetes could not be removed; an operator has to look. */
export const NodeLeaveFailed = defineEvent(
  'system.k3s.node.leave_failed',
  1,
  z.object({ ...ids, node_name: z.string(), reason: z.string(), next_action: z.string() }),
  { severity: 'high' },
);

export const nodeWorkEvents = [NodeDrainProgress, NodeLeft, NodeLeaveFailed] as const;

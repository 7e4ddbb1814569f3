import { z } from 'zod';
import { defineEvent, idSchema, type EventOf } from '#kernel';

const approval_id = idSchema('approval');
const operator_id = idSchema('operator');
/** As `via` of the events that a call makes: short, and without what looks like a secret. */
const in_short = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));

export const ToolPolicySet = defineEvent(
  'system.tool_policy.set',
  1,
  z.object({
    /** A tool's name, or all:destroy, all:disruptive, all:change. */
    tool: z.string(),
    rule: z.enum(['allow', 'notify', 'require_approval']),
    applies_to: z.enum(['guarded', 'everyone']),
    ttl_seconds: z.number().int(),
  }),
  { severity: 'warning' },
);

export const ApprovalRequested = defineEvent(
  'system.approval.requested',
  1,
  z.object({
    approval_id,
    tool: z.string(),
    arguments: in_short,
    /** Where the secret store keeps them whole. */
    arguments_ref: z.string(),
    operator_id,
    operator_name: z.string(),
    guarded: z.boolean(),
    permissions: z.array(z.string()),
    /** The public half of the token that asked. Absent in requests of earlier builds. */
    token_id: z.string().optional(),
    expires_at: z.iso.datetime(),
  }),
  { severity: 'warning' },
);
export const ApprovalApproved = defineEvent(
  'system.approval.approved',
  1,
  z.object({ approval_id, operator_id, comment: z.string() }),
  { severity: 'warning' },
);
export const ApprovalRejected = defineEvent(
  'system.approval.rejected',
  1,
  z.object({ approval_id, operator_id, comment: z.string() }),
  { severity: 'warning', ends: 'approval_id' },
);
export const ApprovalExpired = defineEvent('system.approval.expired', 1, z.object({ approval_id }), {
  severity: 'warning',
  ends: 'approval_id',
});
/** The approved call was made. */
export const ApprovalCompleted = defineEvent(
  'system.approval.completed',
  1,
  z.object({
    approval_id,
    outcome: z.enum(['done', 'nothing', 'refused', 'failed']),
    code: z.string().nullable(),
    message: z.string().nullable(),
    correlation_id: z.string().nullable(),
    /** Whose secret the answer is in the store. Absent where there is none, and in events of earlier builds. */
    answer_subject: z.string().optional(),
    /** Until then who asked may take it. */
    answer_expires_at: z.iso.datetime().optional(),
  }),
  { ends: 'approval_id' },
);
/** Who asked for the call has been told its answer. */
export const AnswerTaken = defineEvent('system.approval.answer_taken', 1, z.object({ approval_id, operator_id }));
/** Taken, or never fetched: it is shredded. */
export const AnswerEnded = defineEvent(
  'system.approval.answer_ended',
  1,
  z.object({ approval_id, answer_subject: z.string(), because: z.enum(['taken', 'expired']) }),
  { ends: 'answer_subject' },
);
/** A call was made that somebody wants to hear of. */
export const CallNotified = defineEvent(
  'system.approval.notified',
  1,
  z.object({ approval_id, tool: z.string(), arguments: in_short, operator_id, outcome: z.string() }),
  { severity: 'warning' },
);

export const toolEvents = [
  ToolPolicySet,
  ApprovalRequested,
  ApprovalApproved,
  ApprovalRejected,
  ApprovalExpired,
  ApprovalCompleted,
  AnswerTaken,
  AnswerEnded,
  CallNotified,
] as const;
export type PolicyEvent = EventOf<typeof ToolPolicySet>;
export type ApprovalEvent = EventOf<Exclude<(typeof toolEvents)[number], typeof ToolPolicySet>>;
export type RequestedCall = EventOf<typeof ApprovalRequested>['data'];
export type Completion = Omit<EventOf<typeof ApprovalCompleted>['data'], 'approval_id'>;

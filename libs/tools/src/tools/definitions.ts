import { z } from 'zod';
import { resourceStatus } from '../conditions.js';
import { defineTool } from '../define-tool.js';

export * from './operator-definitions.js';

const READ = 'system.approvals.read';
const DECIDE = 'system.approvals.decide';
const approval_id = z.string().min(1).max(100).describe('As the answer of the call named it');
const text = z.string();

const approval = z.object({
  id: text,
  status: z.enum(['pending', 'approved', 'rejected', 'expired', 'completed']),
  tool: text,
  arguments: z.record(text, z.unknown()).describe('In short; what looks like a secret is hidden'),
  requested_by: z.object({ operator_id: text, name: text, guarded: z.boolean() }),
  requested_at: text,
  expires_at: text,
  decided_by: text.nullable(),
  decided_at: text.nullable(),
  comment: text.nullable(),
  outcome: z.enum(['done', 'nothing', 'refused', 'failed']).nullable().describe('Of the call, once it was made'),
  error: z.object({ code: text, message: text }).nullable(),
  correlation_id: text.nullable().describe('Of the call: explain and recent_events show what it did'),
  answer: z
    .object({
      status: z.enum(['ready', 'taken', 'expired']),
      expires_at: text,
      taken_at: text.nullable(),
      take: text.nullable().describe('How who asked is told it'),
    })
    .nullable()
    .describe('What the call answered is kept for who asked, until it is taken or expires'),
  ...resourceStatus,
});
export type ApprovalOutput = z.input<typeof approval>;

export const getOperationTool = defineTool({
  name: 'get_operation',
  group: 'platform',
  summary: 'How a change that goes on stands',
  description:
    'Follows what a call began (a drain, a machine that is made, a virtual IP that moves) until it has ended: state, phase and progress. ' +
    'With wait_seconds it answers as soon as it has ended, or after that time; a client that asks for progress is told each change.',
  input: z.object({
    operation_id: z.string().min(1).max(1_000).describe('operation.id of the call that began it'),
    wait_seconds: z.number().int().min(0).max(300).default(0),
  }),
  output: z.object({
    operation: z.object({
      id: text,
      tool: text.describe('What began it'),
      subject: text,
      correlation_id: text,
      status: z.enum(['running', 'succeeded', 'failed']),
      state: text,
      progress: z.object({ phase: z.number().int(), phases: z.number().int(), names: z.array(text) }),
      error: text.nullable(),
      ...resourceStatus,
    }),
  }),
  permission: 'system.operations.read',
  danger: 'read',
  aliases: { id: 'operation_id' },
  examples: [
    {
      title: 'How a drain stands',
      arguments: { operation_id: 'op_WyJzeXN0ZW1fZHJhaW5faW5zdGFuY2UiLCJrM3Mtc2VydmVyLTEiLCJleGFtcGxlIl0' },
    },
  ],
  cli: ['operation', 'get'],
});

export const listApprovalsTool = defineTool({
  name: 'list_approvals',
  group: 'platform',
  summary: 'Calls that wait for a human, or waited',
  description:
    'Calls that a policy holds until a human approves them, in the order they were made; all, or those of one status.',
  input: z.object({
    status: z.enum(['pending', 'approved', 'rejected', 'expired', 'completed']).optional(),
    limit: z.number().int().min(1).max(200).default(50),
    cursor: z.string().max(200).optional(),
  }),
  output: z.object({ approvals: z.array(approval), next_cursor: text.nullable() }),
  permission: READ,
  danger: 'read',
  examples: [{ title: 'What waits for me', arguments: { status: 'pending' } }],
  cli: ['approval', 'list'],
});

export const getApprovalTool = defineTool({
  name: 'get_approval',
  group: 'platform',
  summary: 'How one approval stands',
  description: 'Who asked for which call, whether it was approved, and what came of it.',
  input: z.object({ approval_id }),
  output: z.object({ approval }),
  permission: READ,
  danger: 'read',
  aliases: { id: 'approval_id' },
  examples: [{ title: 'How one stands', arguments: { approval_id: 'approval-1f0a3f6d-7b11-4c5d-8e6f-0a1b2c3d4e5f' } }],
  cli: ['approval', 'get'],
});

const decision = {
  group: 'platform',
  permission: DECIDE,
  danger: 'change',
  humansOnly: true,
  input: z.object({ approval_id, comment: z.string().max(500).default('') }),
  output: z.object({ approval }),
  aliases: { id: 'approval_id', reason: 'comment' },
} as const;

export const approveOperationTool = defineTool({
  ...decision,
  name: 'approve_operation',
  summary: 'Let a waiting call happen',
  description:
    'Approves a call that waits: it is made at once, as the operator who asked for it, and the answer says what came of it; what it ' +
    'answered is told only to who asked (take_approved_answer). Guarded ' +
    'tokens cannot approve, and nobody approves a call of their own.',
  examples: [{ title: 'Let it happen', arguments: { approval_id: 'approval-1f0a3f6d-7b11-4c5d-8e6f-0a1b2c3d4e5f' } }],
  cli: ['approval', 'approve'],
});

export const rejectOperationTool = defineTool({
  ...decision,
  name: 'reject_operation',
  summary: 'Refuse a waiting call',
  description: 'The call is not made, and its arguments are shredded.',
  examples: [
    {
      title: 'Not now',
      arguments: { approval_id: 'approval-1f0a3f6d-7b11-4c5d-8e6f-0a1b2c3d4e5f', comment: 'after the weekend' },
    },
  ],
  cli: ['approval', 'reject'],
});

export const takeApprovedAnswerTool = defineTool({
  name: 'take_approved_answer',
  group: 'platform',
  summary: 'What your approved call answered, once',
  description:
    'The answer of a call that waited for an approval and was made since, with the secret in it, if there is one (an access grant’s URL, a ' +
    'kubeconfig). Only the operator who asked for the call is told, with a token that may make it, once, within 24 hours after it was made; ' +
    'then it is shredded. If the answer gets lost on its way, repeat under the same idempotency_key within a minute.',
  input: z.object({ approval_id }),
  output: z.object({
    approval_id: text,
    tool: text,
    answer: z.record(text, z.unknown()).describe('As the tool itself answers'),
  }),
  permission: 'system.approvals.take',
  danger: 'change',
  // Waiting for an approval itself, it would shred the answer and leave another to be taken, for ever.
  ungated: true,
  aliases: { id: 'approval_id' },
  examples: [
    { title: 'The URL of a grant', arguments: { approval_id: 'approval-1f0a3f6d-7b11-4c5d-8e6f-0a1b2c3d4e5f' } },
  ],
  cli: ['approval', 'take'],
});

const policy = z.object({
  tool: text,
  rule: z.enum(['allow', 'notify', 'require_approval']),
  applies_to: z.enum(['guarded', 'everyone']),
  ttl_seconds: z.number().int(),
});

export const setToolPolicyTool = defineTool({
  name: 'system_set_tool_policy',
  group: 'platform',
  summary: 'Say which calls need a human',
  description:
    'allow: calls of the tool happen. notify: they happen, and an event tells. require_approval: they wait for a human, ttl_seconds at most. ' +
    'tool is a name, or all:destroy, all:disruptive, all:change; of the policies that apply to the caller (guarded tokens, or everyone) the ' +
    'tool’s own wins, then the narrowest class; without one all calls are allowed.',
  input: z.object({
    tool: z.string().min(1).max(100).describe('A changing tool, or all:destroy, all:disruptive, all:change'),
    rule: z.enum(['allow', 'notify', 'require_approval']),
    applies_to: z.enum(['guarded', 'everyone']).default('guarded'),
    ttl_seconds: z
      .number()
      .int()
      .min(60)
      .max(604_800)
      .default(3_600)
      .describe('How long a call waits for its approval'),
  }),
  output: z.object({ policy }),
  permission: 'system.policies.write',
  danger: 'change',
  humansOnly: true,
  examples: [
    {
      title: 'A human looks at whatever an AI operator would destroy',
      arguments: { tool: 'all:destroy', rule: 'require_approval' },
    },
  ],
  cli: ['policy', 'set'],
});

export const listToolPoliciesTool = defineTool({
  name: 'system_list_tool_policies',
  group: 'platform',
  summary: 'Which calls need a human',
  description: 'The policies of the account. A tool without one, whose classes have none either, is allowed.',
  input: z.object({}),
  output: z.object({ policies: z.array(policy) }),
  permission: READ,
  danger: 'read',
  examples: [{ title: 'All of them', arguments: {} }],
  cli: ['policy', 'list'],
});

import { z } from 'zod';
import { resourceStatus } from '../conditions.js';
import { defineTool } from '../define-tool.js';

const READ = 'system.operators.read';
const WRITE = 'system.operators.write';
const DAYS_90 = 90 * 86_400;
const text = z.string();
const ref = (what: string) => z.string().min(1).max(100).describe(`Id or name of the ${what}`);
const newName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._@+-]{0,62}$/,
    'lower-case letters, digits and . _ @ + -, at most 63, beginning with a letter or digit',
  );

/** What a new token may do, and for how long. */
const wish = {
  role: z.enum(['viewer', 'operator', 'admin', 'system']).optional().describe('Instead of permissions'),
  permissions: z
    .array(z.string().min(1).max(100))
    .min(1)
    .max(50)
    .optional()
    .describe('Names, or system.nodes.* for all below'),
  expires_in_seconds: z.number().int().min(60).max(315_360_000).default(DAYS_90),
  guarded: z.boolean().default(false).describe('For AI operators: what disrupts needs a plan, what destroys a human'),
  label: z.string().max(100).default('').describe('What it is for'),
};

const token = z.object({
  id: text,
  operator_id: text,
  label: text,
  scopes: z.array(text),
  guarded: z.boolean(),
  status: z.enum(['active', 'expired', 'revoked', 'disabled']),
  created_at: text,
  expires_at: text.nullable(),
  revoked_at: text.nullable(),
  ...resourceStatus,
});
const operator = z.object({
  id: text,
  name: text,
  status: z.enum(['active', 'disabled']),
  disabled_reason: text.nullable(),
  created_at: text,
  active_tokens: z.number().int(),
  ...resourceStatus,
});
/** The only answer that ever holds it. */
const shownToken = z.object({
  id: text,
  secret: text.nullable().describe('Shown this once; null when the same call was made before'),
  scopes: z.array(text),
  expires_at: text.nullable(),
});
const account = z.object({ id: text, name: text, created_at: text });

const change = { group: 'platform', permission: WRITE, danger: 'change', humansOnly: true } as const;
const page = {
  limit: z.number().int().min(1).max(200).default(50),
  cursor: z.string().max(200).optional(),
};

export const createAccountTool = defineTool({
  ...change,
  name: 'system_create_account',
  permission: 'platform.accounts.write',
  summary: 'Make an account with its first operator',
  description:
    'An account has its own templates, nodes, networks, clusters and operators, and sees nothing of another. Answers the token of its first ' +
    'operator (role admin), once. Names of accounts are unique on the platform and cannot be given again.',
  input: z.object({
    name: newName,
    operator_name: newName.default('admin'),
    expires_in_seconds: wish.expires_in_seconds,
  }),
  output: z.object({ account: account.omit({ created_at: true }), operator_id: text, token: shownToken }),
  examples: [{ title: 'One for a second team', arguments: { name: 'team-b' } }],
  cli: ['account', 'create'],
});

export const listAccountsTool = defineTool({
  name: 'system_list_accounts',
  group: 'platform',
  summary: 'All accounts of the platform',
  description: 'Names and ids, in the order they were made.',
  input: z.object(page),
  output: z.object({ accounts: z.array(account), next_cursor: text.nullable() }),
  permission: 'platform.accounts.read',
  danger: 'read',
  examples: [{ title: 'All of them', arguments: {} }],
  cli: ['account', 'list'],
});

export const createOperatorTool = defineTool({
  ...change,
  name: 'system_create_operator',
  summary: 'Make an operator with a first token',
  description:
    'A person or a program that works on the account. Give role (viewer, operator, admin) or permissions: of its first token, which the answer ' +
    'shows once. Nobody grants what they may not do themselves.',
  input: z.object({ name: newName, ...wish }),
  output: z.object({ operator: operator.pick({ id: true, name: true }), token: shownToken }),
  aliases: { operator_name: 'name', scopes: 'permissions' },
  examples: [
    { title: 'A colleague who looks', arguments: { name: 'maria', role: 'viewer' } },
    { title: 'An AI operator', arguments: { name: 'assistant', role: 'operator', guarded: true } },
  ],
  cli: ['operator', 'create'],
});

export const listOperatorsTool = defineTool({
  name: 'system_list_operators',
  group: 'platform',
  summary: 'Operators of the account',
  description: 'Who works on the account, and how many tokens of each open something now.',
  input: z.object(page),
  output: z.object({ operators: z.array(operator), next_cursor: text.nullable() }),
  permission: READ,
  danger: 'read',
  examples: [{ title: 'All of them', arguments: {} }],
  cli: ['operator', 'list'],
});

export const disableOperatorTool = defineTool({
  ...change,
  name: 'system_disable_operator',
  summary: 'Let nothing of an operator in any more',
  description:
    'From the answer on none of its tokens opens anything, and its open streams are cut; whom they let into networks and kubeconfigs issued to ' +
    'them are taken back. Nobody disables themselves, nor whoever may do more ' +
    'than they. system_enable_operator takes it back.',
  input: z.object({ operator: ref('operator'), reason: z.string().max(500).default('') }),
  output: z.object({ operator }),
  aliases: { id: 'operator', operator_id: 'operator', name: 'operator' },
  examples: [{ title: 'Somebody left', arguments: { operator: 'maria', reason: 'left the team' } }],
  cli: ['operator', 'disable'],
});

export const enableOperatorTool = defineTool({
  ...change,
  name: 'system_enable_operator',
  summary: 'Let a disabled operator in again',
  description: 'Its tokens that are neither expired nor revoked open again what they did.',
  input: z.object({ operator: ref('operator') }),
  output: z.object({ operator }),
  aliases: { id: 'operator', operator_id: 'operator', name: 'operator' },
  examples: [{ title: 'Back again', arguments: { operator: 'maria' } }],
  cli: ['operator', 'enable'],
});

export const issueTokenTool = defineTool({
  ...change,
  name: 'system_issue_token',
  summary: 'Make a further token of an operator',
  description:
    'The answer shows the token once; only its digest is kept. Give role or permissions; nobody grants what they may not do themselves. ' +
    'It ends after expires_in_seconds (90 days when not given).',
  input: z.object({ operator: ref('operator'), ...wish }),
  output: z.object({ token: shownToken }),
  aliases: { operator_id: 'operator', scopes: 'permissions' },
  examples: [
    { title: 'For a pipeline', arguments: { operator: 'maria', permissions: ['system.nodes.read'], label: 'ci' } },
  ],
  cli: ['token', 'issue'],
});

export const listTokensTool = defineTool({
  name: 'system_list_tokens',
  group: 'platform',
  summary: 'Tokens of the account, or of one operator',
  description:
    'What each may do and how long; never a token itself. Of each operator, all that open something and the last hundred that ended.',
  input: z.object({
    operator: ref('operator').optional(),
    limit: z.number().int().min(1).max(200).default(50),
    cursor: z.string().max(200).optional().describe('Id of the last token of the page before'),
  }),
  output: z.object({ tokens: z.array(token), next_cursor: text.nullable() }),
  permission: READ,
  danger: 'read',
  aliases: { operator_id: 'operator' },
  examples: [{ title: 'All of them', arguments: {} }],
  cli: ['token', 'list'],
});

export const revokeTokenTool = defineTool({
  ...change,
  name: 'system_revoke_token',
  danger: 'destroy',
  summary: 'End a token at once',
  description:
    'From the answer on it opens nothing, and streams that were opened with it are cut. It cannot be brought back.',
  input: z.object({ token_id: ref('token') }),
  output: z.object({ token_id: text, operator_id: text }),
  aliases: { id: 'token_id' },
  examples: [{ title: 'It got lost', arguments: { token_id: '0000000000000000000000000000000000000000' } }],
  cli: ['token', 'revoke'],
});

export const rotateTokenTool = defineTool({
  ...change,
  name: 'system_rotate_token',
  danger: 'destroy',
  summary: 'Replace a token by a new one',
  description:
    'The new token may do what the old one may and is shown once; the old one opens nothing from the answer on. For a change without a gap ' +
    'issue a second token first, and revoke the first when it is no longer used.',
  input: z.object({ token_id: ref('token'), expires_in_seconds: wish.expires_in_seconds }),
  output: z.object({ token: shownToken, replaced_token_id: text }),
  aliases: { id: 'token_id' },
  examples: [{ title: 'Every quarter', arguments: { token_id: '0000000000000000000000000000000000000000' } }],
  cli: ['token', 'rotate'],
});

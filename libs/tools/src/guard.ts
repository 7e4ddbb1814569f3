import { refusal, RefusedError, type Refusal } from '#kernel';
import { permits, type Principal } from '#access';
import type { ToolDefinition } from './define-tool.js';

/** What a surface can do about a human's consent. */
export interface Consent {
  /** Whether the caller's program can put a question to a human (MCP elicitation). */
  readonly canAsk: boolean;
  /** What the human typed, once asked. */
  readonly typed?: string;
}

/** A question for a human: type this name to let the call happen. */
export interface ConsentAsk {
  readonly tool: string;
  readonly field: string;
  readonly expected: string;
  readonly message: string;
}

export type GuardVerdict = { readonly kind: 'pass' } | { readonly kind: 'ask'; readonly ask: ConsentAsk };

export interface GuardedCall {
  readonly tool: ToolDefinition;
  readonly input: Readonly<Record<string, unknown>>;
  readonly principal: Pick<Principal, 'guarded'>;
  readonly plan: 'none' | 'fresh' | 'expired' | 'other';
  readonly consent: Consent | undefined;
  /** A human will have to approve the call anyway: worth more than a typed name, so it also does where nobody can be asked. */
  readonly approvalFollows: boolean;
}

export const needsPlan = (tool: Pick<ToolDefinition, 'danger' | 'disruptive'>): boolean =>
  tool.danger === 'destroy' || tool.disruptive === true;

/** The argument that names what a call is about. */
export const targetOf = (tool: ToolDefinition): string => {
  if (tool.target !== undefined) return tool.target;
  const required = Object.entries(tool.input.shape).find(([, schema]) => !schema.safeParse(undefined).success);
  return required?.[0] ?? 'tool';
};

const quoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** What a human types to make the same call. */
export const cliCommand = (
  tool: Pick<ToolDefinition, 'name' | 'cli'>,
  input: Readonly<Record<string, unknown>>,
): string => {
  const words = tool.cli === undefined ? ['tool', tool.name] : [...tool.cli];
  const given = Object.entries(input)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => quoted(`${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`));
  return ['drover', ...words, ...given].join(' ');
};

/**
 * The danger ladder of guarded tokens (made for AI operators): what disrupts needs the plan of a fresh dry run, what destroys
 * also a name that a human typed. Ordinary tokens pass. Throws RefusedError.
 */
export const climb = (call: GuardedCall): GuardVerdict => {
  const { tool, principal, plan } = call;
  if (principal.guarded !== true) return { kind: 'pass' };
  if (tool.humansOnly === true) throw new RefusedError(humansOnly(call));
  if (!needsPlan(tool)) return { kind: 'pass' };
  if (plan !== 'fresh') throw new RefusedError(planRefusal(tool.name, plan));
  return tool.danger === 'destroy' ? consentOf(call) : { kind: 'pass' };
};

const humansOnly = ({ tool, input }: GuardedCall): Refusal =>
  refusal(403, 'human_needed', `${tool.name} is for humans: a guarded token never may`, {
    hint: `a human with a token of their own runs: ${cliCommand(tool, input)}`,
  });

const planRefusal = (tool: string, plan: 'none' | 'expired' | 'other'): Refusal => {
  const [code, reason] = {
    none: ['plan_required', 'needs the plan_id of a dry run under a guarded token'] as const,
    expired: ['plan_expired', 'was planned more than ten minutes ago'] as const,
    other: ['plan_of_another_call', 'was not planned with these arguments by this operator'] as const,
  }[plan];
  return refusal(422, code, `${tool} ${reason}`, {
    field: 'plan_id',
    hint: `call ${tool} with the same arguments and dry_run: true, look at what would follow, then repeat with its plan_id`,
  });
};

const consentOf = ({ tool, input, consent, approvalFollows }: GuardedCall): GuardVerdict => {
  const field = targetOf(tool);
  const expected = field in input ? String(input[field]) : tool.name;
  const command = cliCommand(tool, input);
  if (consent?.canAsk !== true) {
    if (approvalFollows) return { kind: 'pass' };
    throw new RefusedError(
      refusal(403, 'human_needed', `${tool.name} destroys: a human has to confirm it, and this client cannot ask one`, {
        hint: `a human with a token of their own runs: ${command}`,
      }),
    );
  }
  if (consent.typed === undefined) {
    const message = `${tool.summary}: ${expected}. This cannot be undone. Type ${expected} to go on.`;
    return { kind: 'ask', ask: { tool: tool.name, field, expected, message } };
  }
  if (consent.typed === expected) return { kind: 'pass' };
  throw new RefusedError(
    refusal(403, 'name_mismatch', 'what was typed is not the name of what would be destroyed', {
      field,
      hint: `nothing was done; a human may also run: ${command}`,
    }),
  );
};

export const requirePermission = (tool: ToolDefinition, principal: Pick<Principal, 'permissions'>): void => {
  if (permits(principal.permissions, tool.permission)) return;
  throw new RefusedError(
    refusal(403, 'permission_denied', `${tool.name} needs the permission ${tool.permission}`, {
      hint: `ask for a token with ${tool.permission}`,
      candidates: [{ id: tool.permission }],
    }),
  );
};

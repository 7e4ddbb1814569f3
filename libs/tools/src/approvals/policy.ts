import { accept, nothing, uuidOf, type Decider } from '#kernel';
import type { ToolDefinition } from '../define-tool.js';
import { ToolPolicySet, type PolicyEvent } from './events.js';
import type { ToolRule } from './gate.js';

export type ToolPolicy = PolicyEvent['data'];

export interface PolicyState {
  /** By what it is for: a tool's name or a class. */
  readonly policies: Readonly<Record<string, ToolPolicy>>;
}

/** Classes of tools, the narrowest first. */
export const POLICY_CLASSES = ['all:destroy', 'all:disruptive', 'all:change'] as const;

export const policyStream = (accountId: string): string => `tool_policy-${uuidOf(accountId)}`;

/** What an account wants of calls of its tools. One stream an account. */
export const policyDecider: Decider<PolicyState, ToolPolicy, PolicyEvent> = {
  initial: { policies: {} },
  decide: (policy, state) => {
    const known = Object.hasOwn(state.policies, policy.tool) ? state.policies[policy.tool] : undefined;
    const same = JSON.stringify(known) === JSON.stringify(policy);
    return same ? nothing('already_so') : accept(ToolPolicySet(policy));
  },
  evolve: (state, { data }) => ({ policies: { ...state.policies, [data.tool]: data } }),
};

/** What humans decide with, and what its decisions go on with, no policy is about. */
export const isUnderPolicies = ({ danger, humansOnly, ungated }: ToolDefinition): boolean =>
  danger !== 'read' && humansOnly !== true && ungated !== true;

const classesOf = (tool: Pick<ToolDefinition, 'danger' | 'disruptive'>): readonly string[] => [
  ...(tool.danger === 'destroy' ? ['all:destroy'] : []),
  ...(tool.danger === 'destroy' || tool.disruptive === true ? ['all:disruptive'] : []),
  'all:change',
];

/**
 * The policy that counts: the tool's own, else that of its narrowest class. One for guarded tokens says nothing about others, so
 * it does not take them out of a wider one.
 */
export const policyFor = (
  { policies }: PolicyState,
  tool: Pick<ToolDefinition, 'name' | 'danger' | 'disruptive'>,
  isGuarded: boolean,
): ToolPolicy | undefined =>
  [tool.name, ...classesOf(tool)]
    .map((key) => (Object.hasOwn(policies, key) ? policies[key] : undefined))
    .find((policy) => policy !== undefined && (isGuarded || policy.applies_to === 'everyone'));

export const ruleFor = (
  state: PolicyState,
  tool: Pick<ToolDefinition, 'name' | 'danger' | 'disruptive'>,
  isGuarded: boolean,
): ToolRule => policyFor(state, tool, isGuarded)?.rule ?? 'allow';

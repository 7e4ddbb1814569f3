import { policyDecider, ruleFor, type PolicyState, type ToolPolicy } from './policy.js';

const deleting = { name: 'system_delete_node', danger: 'destroy' } as const;
const draining = { name: 'system_drain_instance', danger: 'change', disruptive: true } as const;
const creating = { name: 'system_create_node', danger: 'change' } as const;

const policy = (tool: string, rule: ToolPolicy['rule'], applies_to: ToolPolicy['applies_to']): ToolPolicy => ({
  tool,
  rule,
  applies_to,
  ttl_seconds: 3_600,
});

/** As the log tells it, one after the other. */
const after = (...policies: readonly ToolPolicy[]): PolicyState => {
  let state = policyDecider.initial;
  for (const one of policies) {
    const decision = policyDecider.decide(one, state);
    if (decision.kind === 'accept') state = decision.events.reduce(policyDecider.evolve, state);
  }
  return state;
};
const rules = (state: PolicyState, isGuarded: boolean) =>
  [deleting, draining, creating].map((tool) => ruleFor(state, tool, isGuarded));

describe('policies of an account', () => {
  it('allow what none is about', () => {
    expect(rules(after(), true)).toEqual(['allow', 'allow', 'allow']);
  });

  it('are taken from the tool itself first, then from the narrowest class', () => {
    const state = after(
      policy('all:change', 'notify', 'everyone'),
      policy('all:disruptive', 'require_approval', 'everyone'),
      policy('system_delete_node', 'allow', 'everyone'),
    );
    expect(rules(state, false)).toEqual(['allow', 'require_approval', 'notify']);
    expect(rules(state, true)).toEqual(['allow', 'require_approval', 'notify']);
  });

  it('for guarded tokens take nobody else out of a wider one', () => {
    const wide = policy('all:disruptive', 'require_approval', 'everyone');
    const state = after(
      wide,
      policy('all:destroy', 'notify', 'guarded'),
      policy('system_drain_instance', 'allow', 'guarded'),
    );
    expect(rules(state, false)).toEqual(['require_approval', 'require_approval', 'allow']);
    expect(rules(state, true)).toEqual(['notify', 'allow', 'allow']);
  });

  it('replace the one before for the same tools', () => {
    const state = after(policy('all:change', 'notify', 'guarded'), policy('all:change', 'allow', 'everyone'));
    expect(rules(state, true)).toEqual(['allow', 'allow', 'allow']);
  });
});

import { z } from 'zod';
import { defineTool, type ToolDefinition } from './define-tool.js';
import { cliCommand, climb, targetOf } from './guard.js';
import { PLAN_TTL_MS, PlanCodec } from './plan.js';

const make = (more: object) =>
  defineTool({
    name: 'system_end_thing',
    group: 'nodes',
    summary: 'End a thing',
    description: 'Ends it.',
    input: z.object({ note: z.string().optional(), thing_id: z.string() }),
    output: z.object({}),
    permission: 'system.nodes.write',
    danger: 'destroy',
    cli: ['thing', 'end'],
    ...more,
  }) as unknown as ToolDefinition;
const input = { thing_id: "it's" };
const call = (more: object) => ({
  tool: make({}),
  input,
  principal: { guarded: true },
  plan: 'fresh' as const,
  consent: undefined,
  approvalFollows: false,
  ...more,
});
const code = (more: object): string => {
  try {
    return climb(call(more)).kind;
  } catch (error) {
    return (error as { refusal: { code: string } }).refusal.code;
  }
};

describe('the danger ladder of guarded tokens', () => {
  it('asks nothing of others, and of guarded ones a plan, then a human', () => {
    expect(code({ principal: {}, plan: 'none' })).toBe('pass');
    expect(code({ tool: make({ danger: 'change' }), plan: 'none' })).toBe('pass');
    expect(code({ tool: make({ danger: 'change', disruptive: true }), plan: 'none' })).toBe('plan_required');
    expect(code({ tool: make({ danger: 'change', disruptive: true }) })).toBe('pass');
    expect([code({ plan: 'expired' }), code({ plan: 'other' })]).toEqual(['plan_expired', 'plan_of_another_call']);
    expect([code({}), code({ approvalFollows: true })]).toEqual(['human_needed', 'pass']);
    expect(code({ consent: { canAsk: true } })).toBe('ask');
    expect(code({ consent: { canAsk: true, typed: 'its' } })).toBe('name_mismatch');
    expect(code({ consent: { canAsk: true, typed: "it's" } })).toBe('pass');
    expect(code({ tool: make({ danger: 'change', humansOnly: true }) })).toBe('human_needed');
  });

  it('quotes the command for the human', () => {
    expect(cliCommand(make({}), input)).toBe(String.raw`drover thing end 'thing_id=it'\''s'`);
    expect(targetOf(make({}))).toBe('thing_id');
  });
});

describe('a plan id', () => {
  const about = { accountId: 'a', operatorId: 'o', tool: 't', argumentsDigest: 'd' };
  const plans = new PlanCodec(new Uint8Array(32));

  it('is good for one caller, one call, ten minutes', () => {
    const { planId } = plans.issue(about, 1_000);
    expect(plans.check(about, planId, 1_000 + PLAN_TTL_MS - 1)).toBe('fresh');
    expect(plans.check(about, planId, 1_000 + PLAN_TTL_MS)).toBe('expired');
    for (const other of [{ accountId: 'b' }, { operatorId: 'p' }, { tool: 'u' }, { argumentsDigest: 'e' }])
      expect(plans.check({ ...about, ...other }, planId, 1_000)).toBe('other');
    expect(plans.check(about, planId.replace('plan_A', 'plan_B'), 1_000)).toBe('other');
    expect(new PlanCodec(new Uint8Array(32).fill(1)).check(about, planId, 1_000)).toBe('other');
  });
});

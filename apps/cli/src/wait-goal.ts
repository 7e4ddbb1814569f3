export type Goal =
  | { readonly kind: 'state'; readonly state: string }
  | { readonly kind: 'condition'; readonly type: string; readonly holds: boolean }
  | { readonly kind: 'deleted' };

export interface Verdict {
  readonly kind: 'met' | 'waiting' | 'never' | 'gone';
  readonly state: string;
  readonly error?: string;
  readonly next?: string;
}

/** States without a way out, of every kind of thing: whoever waits for another state waits in vain. */
const FINAL: ReadonlySet<string> = new Set([
  ...['terminated', 'forgotten', 'error', 'failed', 'decommissioned', 'removed', 'released', 'expired', 'revoked'],
  ...['aborted', 'rejected', 'deleted', 'retired', 'orphaned', 'succeeded', 'completed'],
]);

/** It is still told of, but is no more. */
const GONE: ReadonlySet<string> = new Set([
  ...['deleted', 'terminated', 'forgotten', 'removed', 'released', 'decommissioned', 'revoked', 'expired'],
]);

const statesOf = (thing: Readonly<Record<string, unknown>>): readonly unknown[] =>
  [thing.state, thing.status].filter((one) => one !== undefined);

/** It is listed still, and is no more. */
export const isGone = (thing: Readonly<Record<string, unknown>>): boolean =>
  statesOf(thing).some((state) => GONE.has(String(state)));

interface Condition {
  readonly type: string;
  readonly status: string;
}

const isCondition = (one: unknown): one is Condition =>
  typeof one === 'object' && one !== null && 'type' in one && 'status' in one;

const conditionIs = (thing: Readonly<Record<string, unknown>>, type: string): string | undefined => {
  const all = Array.isArray(thing.conditions) ? thing.conditions.filter(isCondition) : [];
  return all.find((one) => one.type.toLowerCase() === type.toLowerCase())?.status;
};

const meets = (goal: Goal, thing: Readonly<Record<string, unknown>>, states: readonly unknown[]): boolean => {
  if (goal.kind === 'deleted') return isGone(thing);
  if (goal.kind === 'condition') return conditionIs(thing, goal.type) === String(goal.holds);
  return states.includes(goal.state) || (goal.state === 'ready' && conditionIs(thing, 'Ready') === 'true');
};

const textOr = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** How a thing stands against what is waited for; undefined: there is no such thing. */
export const verdict = (goal: Goal, thing: Readonly<Record<string, unknown>> | undefined): Verdict => {
  if (thing === undefined)
    return goal.kind === 'deleted' ? { kind: 'met', state: 'gone' } : { kind: 'gone', state: 'gone' };
  const states = statesOf(thing);
  const state = String(states[0] ?? (conditionIs(thing, 'Ready') === 'true' ? 'ready' : 'not ready'));
  const error = textOr(thing.last_error) ?? textOr(thing.error);
  const next = textOr(thing.next_action);
  const told = { state, ...(error === undefined ? {} : { error }), ...(next === undefined ? {} : { next }) };
  if (meets(goal, thing, states)) return { kind: 'met', ...told };
  const isFinal = states.some((one) => FINAL.has(String(one)));
  return { kind: isFinal && goal.kind !== 'deleted' ? 'never' : 'waiting', ...told };
};

import { z } from 'zod';

/** As Kubernetes has them: one aspect of a thing each, with a reason out of a closed set and words for people. */
export const conditionShape = z.object({
  type: z.string(),
  status: z.enum(['true', 'false', 'unknown']),
  reason: z.string().describe('CamelCase, out of a closed set'),
  message: z.string(),
  last_transition_at: z.string().nullable().describe('ISO 8601; null where it is not known'),
  observed_generation: z.number().int().nullable(),
});
export type Condition = z.output<typeof conditionShape>;

/** For every resource's shape: `z.object({ …, ...resourceStatus })`. */
export const resourceStatus = {
  conditions: z.array(conditionShape),
  generation: z
    .number()
    .int()
    .nullable()
    .describe(
      'Of what is wanted, counted from 1; null of what nobody has to carry out (a template, a node without a machine)',
    ),
  observed_generation: z
    .number()
    .int()
    .nullable()
    .describe('What is wanted, as far as it is the case; below generation: on its way; null: nothing was observed yet'),
};

/** A further aspect, which only this kind of thing has. */
export interface Aspect {
  readonly type: string;
  readonly holds: boolean | 'unknown';
  readonly reason: string;
  /** What the state says when not given. */
  readonly message?: string;
}

export interface StateOf {
  readonly state: string;
  /** States in which the thing does what it is for. */
  readonly ready: readonly string[];
  /** States that it is on the way through. */
  readonly progressing: readonly string[];
  /** States in which it does it, but with less left to lose. */
  readonly degraded?: readonly string[];
  /** States in which it is meant to do nothing, or is no more: nothing is wrong with that. */
  readonly resting?: readonly string[];
  readonly since?: string | null;
  readonly error?: string | null;
  /** For people, where the state's own word makes no sentence. */
  readonly message?: string;
  readonly generation?: number | null;
  readonly observedGeneration?: number | null;
  readonly also?: readonly Aspect[];
}

const reasonOf = (state: string): string =>
  state.replaceAll(/(^|[_-])(\w)/g, (_match, _dash, letter: string) => letter.toUpperCase());

/**
 * Ready, Progressing and Degraded, made from a state machine's state in one way for all resources: `drover wait` and other
 * programs need not know each resource's own words.
 */
export const statusOfState = (of: StateOf) => {
  const { state, generation = null, observedGeneration = generation } = of;
  const shared = { last_transition_at: of.since ?? null, observed_generation: observedGeneration };
  const behind = generation !== null && observedGeneration !== null && observedGeneration < generation;
  const isReady = of.ready.includes(state);
  const isMoving = behind || of.progressing.includes(state);
  const isAtWork = isReady || isMoving || of.resting?.includes(state) === true;
  const message = of.error ?? of.message ?? `it is ${state.replaceAll('_', ' ')}`;
  const condition = (type: string, holds: Aspect['holds'], reason = reasonOf(state), said = message): Condition => ({
    type,
    status: holds === 'unknown' ? holds : holds ? 'true' : 'false',
    reason,
    message: said,
    ...shared,
  });
  return {
    conditions: [
      condition('Ready', isReady),
      condition('Progressing', isMoving, behind ? 'GenerationBehind' : undefined),
      condition('Degraded', of.error != null || of.degraded?.includes(state) === true || !isAtWork),
      ...(of.also ?? []).map((one) => condition(one.type, one.holds, one.reason, one.message)),
    ],
    generation,
    observed_generation: observedGeneration,
  };
};

import { failpointEffects, type FailpointEffects } from './adapters/failpoint-effects.js';
import { FAILPOINTS, type FailpointName } from './failpoint-registry.js';
import { nearest } from './refusal.js';

/** What happens when an armed failpoint is reached for the `nth` time in this process; every other time nothing does. */
export interface FailpointPlan {
  readonly name: FailpointName;
  readonly action:
    | { readonly kind: 'kill' }
    | { readonly kind: 'sleep'; readonly ms: number }
    /** For tests in one process. */
    | { readonly kind: 'throw' };
  readonly nth: number;
}

/** `DROVER_FAILPOINTS` names something that there is not, or in a form that is not understood. */
export class FailpointError extends Error {
  override readonly name = 'FailpointError';
}

/** Thrown by a failpoint that is armed with `throw`. */
export class FailpointReached extends Error {
  override readonly name = 'FailpointReached';
}

interface Armed {
  readonly plan: FailpointPlan;
  reached: number;
}

let armed: ReadonlyMap<FailpointName, Armed> | undefined;
let effects: FailpointEffects = failpointEffects();

/**
 * A named place at which crash tests end or delay this process: `await failpoint('append.committed')`. Unless an entry
 * point armed some, it is one comparison and no promise.
 */
export const failpoint = (name: FailpointName): Promise<void> | undefined => {
  const action = armed === undefined ? undefined : due(name);
  if (action === undefined) return undefined;
  if (action.kind === 'sleep') return effects.sleep(action.ms);
  return act(name, action.kind);
};

/** As failpoint, where nothing can be awaited: a sleep holds the whole process up, as a stopped machine would. */
export const failpointNow = (name: FailpointName): void => {
  const action = armed === undefined ? undefined : due(name);
  if (action === undefined) return;
  if (action.kind === 'sleep') return effects.block(action.ms);
  act(name, action.kind);
};

const act = (name: FailpointName, kind: 'kill' | 'throw'): undefined => {
  if (kind === 'throw') throw new FailpointReached(name);
  effects.kill();
};

const due = (name: FailpointName): FailpointPlan['action'] | undefined => {
  const point = armed!.get(name);
  if (point === undefined || ++point.reached !== point.plan.nth) return undefined;
  return effects.claim(name) ? point.plan.action : undefined;
};

const FORM = 'NAME=kill, NAME=sleep:MILLISECONDS or NAME=throw, each with #N for the Nth time, separated by commas';

/** `append.committed=kill,timer.due=sleep:1000#3`. Throws FailpointError in an operator's words. */
export const parseFailpoints = (text: string): readonly FailpointPlan[] =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      const parts = /^([^=]+)=(kill|throw|sleep:(\d{1,6}))(?:#([1-9]\d{0,6}))?$/.exec(one);
      if (parts === null) throw new FailpointError(`DROVER_FAILPOINTS: ${one}: must be ${FORM}`);
      const [, name, what, ms, nth] = parts as unknown as [string, string, string, string?, string?];
      if (!isFailpoint(name)) throw new FailpointError(`DROVER_FAILPOINTS: ${unknownName(name)}`);
      const action = ms === undefined ? { kind: what as 'kill' | 'throw' } : { kind: 'sleep' as const, ms: Number(ms) };
      return { name, action, nth: Number(nth ?? 1) };
    });

export const isFailpoint = (name: string): name is FailpointName => Object.hasOwn(FAILPOINTS, name);

const unknownName = (name: string): string => {
  const near = nearest(name, Object.keys(FAILPOINTS));
  const hint = near === undefined ? 'npm run soak -- failpoints --list names them all' : `did you mean ${near}?`;
  return `there is no failpoint ${name}; ${hint}`;
};

/**
 * Arms what the environment names; for entry points. `DROVER_FAILPOINTS_DIR` is a folder in which each failpoint that acts
 * leaves a file of its name: it acts once among all processes that share the folder, whichever comes first.
 */
export const armFailpoints = (env: {
  readonly DROVER_FAILPOINTS?: string | undefined;
  readonly DROVER_FAILPOINTS_DIR?: string | undefined;
}): readonly FailpointPlan[] => {
  const plans = parseFailpoints(env.DROVER_FAILPOINTS ?? '');
  effects = failpointEffects(env.DROVER_FAILPOINTS_DIR);
  armed = plans.length === 0 ? undefined : new Map(plans.map((plan) => [plan.name, { plan, reached: 0 }]));
  return plans;
};

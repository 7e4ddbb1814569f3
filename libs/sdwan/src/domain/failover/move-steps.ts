import type { MoveEffect, MoveOutcome, MoveState, MoveStep, Phase } from './move-types.js';

/** The next phase, with its effects and the deadline that ends it. Timers of earlier phases no longer count. */
export const enter = (
  state: MoveState,
  phase: Phase,
  effects: readonly MoveEffect[],
  deadlineMs?: number,
): MoveStep => {
  const step = state.step + 1;
  const timer: MoveEffect[] = deadlineMs === undefined ? [] : [{ kind: 'timer', step, afterMs: deadlineMs }];
  return { state: { ...state, phase, step }, effects: [...effects, ...timer] };
};

export const finish = (state: MoveState, outcome: MoveOutcome, detail: string): MoveStep =>
  enter(state, 'over', [{ kind: 'finish', outcome, detail }]);

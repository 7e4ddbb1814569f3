import { isActive, type Rollout, type RolloutNode } from './state.js';

const settled = (node: RolloutNode): boolean => node.phase === 'done' || node.phase === 'skipped';

/** In the order in which this direction takes them: a rollback begins with the workers, so that no kubelet is newer. */
const sequence = (state: Rollout): readonly RolloutNode[] =>
  state.direction === 'forward' ? state.nodes : [...state.nodes].reverse();

/**
 * The nodes that may begin now: servers alone and one by one, workers as many as may be away at once, canaries before all
 * others of their role. `unavailable` are workers that are away though nobody works on them. Pure, and asked twice: by who
 * proposes a start, and by the decision on the stream, so that two platforms at once start no more than one would.
 */
export const mayBegin = (state: Rollout, unavailable = 0): readonly RolloutNode[] => {
  if (state.status !== 'running') return [];
  const order = sequence(state);
  const active = order.filter(isActive);
  const first = order.find((node) => !settled(node) && !isActive(node));
  if (first === undefined || first.phase !== 'pending') return [];
  if (active.some((node) => node.role !== first.role)) return [];
  if (first.role === 'server') return active.length === 0 ? [first] : [];
  const free = state.options.max_unavailable - active.length - unavailable;
  if (free <= 0) return [];
  const candidates = order.filter((node) => node.phase === 'pending' && node.role === 'agent');
  // Forward only: when things go back, the quickest way is the best.
  const canaries = state.direction === 'forward' ? candidates.filter((node) => node.canary) : [];
  const canaryActive = state.direction === 'forward' && active.some((node) => node.canary);
  if (canaries.length === 0 && canaryActive) return [];
  return (canaries.length > 0 ? canaries : candidates).slice(0, free);
};

/** Canaries that are done and still watched at `nowMs`: the rest waits for them. */
export const watchedCanaries = (state: Rollout, nowMs: number): readonly RolloutNode[] => {
  if (state.direction === 'back') return [];
  const soakMs = state.options.canary_soak_seconds * 1_000;
  const pending = state.nodes.some((node) => node.phase === 'pending');
  return pending ? state.nodes.filter((n) => n.canary && n.phase === 'done' && nowMs - n.sinceMs < soakMs) : [];
};

import { assertNever } from '#kernel';
import { goesOnAlone } from './advice.js';
import { mayBegin, watchedCanaries } from './order.js';
import { isActive, isFinished, type Rollout, type RolloutNode } from './state.js';

/** What is known about a node at this moment. Nodes that the rollout is not about are servers that it must not be short of. */
export interface NodeFacts {
  /** It is a member of the cluster and neither terminated nor forgotten. */
  readonly member: boolean;
  readonly drain: 'none' | 'draining' | 'drained';
  /** Nothing new is scheduled on it. */
  readonly cordoned: boolean;
  /** The node itself reported that it is ready with the change made. */
  readonly changed: boolean;
  /** The Kubernetes API says so: Ready, with the right version, and the server's own API answers. */
  readonly healthy: boolean;
  readonly detail: string;
  /** What the agent reported as failed since the change began; null when nothing. */
  readonly failure: string | null;
}
export type Facts = ReadonlyMap<string, NodeFacts>;

export type Action =
  | { readonly kind: 'drain'; readonly node: RolloutNode }
  | { readonly kind: 'uncordon'; readonly node: RolloutNode }
  | {
      readonly kind: 'phase';
      readonly node: RolloutNode;
      readonly phase: 'draining' | 'changing' | 'verifying' | 'done' | 'skipped';
      readonly detail: string;
    }
  | { readonly kind: 'fail'; readonly node: RolloutNode; readonly reason: string }
  | { readonly kind: 'resume' }
  | { readonly kind: 'finish'; readonly outcome: 'completed' | 'aborted' | 'rolled_back' };

/** An agent tries again by itself; what it reports counts when it has had the time for that. */
const FAILURE_GRACE_MS = 20_000;
/** The drain is bounded on its own; this is for a drain that never says that it ended. */
const DRAIN_GRACE_MS = 90_000;

/** Whose facts `nextActions` wants to know. */
export const needsFacts = (state: Rollout): readonly RolloutNode[] =>
  isFinished(state)
    ? []
    : state.nodes.filter((n) => isActive(n) || n.role === 'server' || n.phase === 'done' || n.phase === 'failed');

const phase = (
  node: RolloutNode,
  to: Extract<Action, { kind: 'phase' }>['phase'],
  detail = '',
): Extract<Action, { kind: 'phase' }> => ({ kind: 'phase', node, phase: to, detail });

const onActive = (state: Rollout, node: RolloutNode, facts: NodeFacts, nowMs: number): readonly Action[] => {
  if (!facts.member) return [phase(node, 'skipped', 'it left the cluster')];
  const age = nowMs - node.sinceMs;
  const { node_timeout_seconds, drain_timeout_seconds, drain } = state.options;
  const late = age > node_timeout_seconds * 1_000;
  switch (node.phase) {
    case 'draining':
      if (!drain || facts.drain === 'drained') return [phase(node, 'changing')];
      if (age > drain_timeout_seconds * 1_000 + DRAIN_GRACE_MS)
        return [{ kind: 'fail', node, reason: 'the drain did not end' }];
      return facts.drain === 'none' ? [{ kind: 'drain', node }] : [];
    case 'changing':
      if (facts.changed) return [phase(node, 'verifying')];
      if (facts.failure !== null && age > Math.min(FAILURE_GRACE_MS, node_timeout_seconds * 500))
        return [{ kind: 'fail', node, reason: facts.failure }];
      return late
        ? [{ kind: 'fail', node, reason: `not ready after ${node_timeout_seconds} s: ${facts.detail || 'no report'}` }]
        : [];
    case 'verifying':
      if (!facts.healthy)
        return late
          ? [{ kind: 'fail', node, reason: `not healthy after ${node_timeout_seconds} s: ${facts.detail}` }]
          : [];
      if (node.wasDrained || !drain) return [phase(node, 'done')];
      if (facts.drain !== 'none') return [{ kind: 'uncordon', node }];
      if (!facts.cordoned) return [phase(node, 'done')];
      return late ? [{ kind: 'fail', node, reason: 'it is still cordoned' }] : [];
    case 'pending':
    case 'done':
    case 'failed':
    case 'skipped':
      return [];
    default:
      return assertNever(node.phase);
  }
};

const finish = (state: Rollout): readonly Action[] => {
  const open = state.nodes.some((n) => isActive(n) || (state.status === 'running' && n.phase === 'pending'));
  if (open) return [];
  if (state.status === 'aborting') return [{ kind: 'finish', outcome: 'aborted' }];
  if (state.status !== 'running' || state.nodes.some((n) => n.phase === 'failed')) return [];
  return [{ kind: 'finish', outcome: state.direction === 'forward' ? 'completed' : 'rolled_back' }];
};

/** Of its own servers, and of those that it leaves as they are. */
const serverFacts = (state: Rollout, facts: Facts): readonly NodeFacts[] =>
  [...facts].flatMap(([id, f]) => (state.nodes.find((n) => n.instanceId === id)?.role === 'agent' ? [] : [f]));
const livingServers = (state: Rollout, facts: Facts): number =>
  serverFacts(state, facts).filter((f) => f.member && f.healthy).length;

/**
 * Whether certificates may be made anew on these nodes though a server that the rollout leaves out is away: workers are given
 * theirs by the servers that are left, and a server may be restarted as long as the others have a quorum without it.
 */
const canSpare = (state: Rollout, able: readonly RolloutNode[], facts: Facts, quorum: number): boolean => {
  if (state.change.kind !== 'certificates') return false;
  const living = livingServers(state, facts);
  return able.every((n) => (n.role === 'agent' ? living > 0 : living - 1 >= quorum));
};

/**
 * A node that does not come back while its certificates are made anew holds up nobody where the control plane can spare it: it
 * was told, and makes them anew when it is back. Not one that answers, or says why it cannot: that is an operator's.
 */
const leftOut = (
  state: Rollout,
  { node, reason }: Extract<Action, { kind: 'fail' }>,
  facts: Facts,
  nowMs: number,
  quorum: number,
): readonly Action[] | undefined => {
  const known = facts.get(node.instanceId);
  const told = node.phase === 'changing' || node.phase === 'verifying';
  if (state.change.kind !== 'certificates' || !told || known === undefined) return undefined;
  if (known.healthy || known.failure !== null) return undefined;
  const living = livingServers(state, facts);
  const next = state.nodes.some((n) => n.role === 'server' && n.phase === 'pending') ? 1 : 0;
  const patienceMs = 2 * state.options.node_timeout_seconds * 1_000;
  if (living - next < quorum) {
    // Enough of the others are there, but not all answer at this moment: that may be over with the next look.
    const others = serverFacts(state, facts).filter((f) => f.member && f !== known).length;
    return others - next >= quorum && nowMs - node.sinceMs <= patienceMs ? [] : undefined;
  }
  const stays = known.drain !== 'none' || known.cordoned;
  if (state.options.drain && !node.wasDrained && stays)
    return nowMs - node.sinceMs > patienceMs ? undefined : [{ kind: 'uncordon', node }];
  return [phase(node, 'skipped', `left out: ${reason}; it makes its certificates anew when it is back`)];
};

/** What a rollout that stopped for a server that was away waits for: all servers, and what failed has done it meanwhile. */
const isBack = (state: Rollout, facts: Facts): boolean => {
  const servers = serverFacts(state, facts).filter((f) => f.member);
  if (servers.length === 0 || !servers.every((f) => f.healthy)) return false;
  return state.nodes.every((n) => {
    const known = n.phase === 'failed' ? facts.get(n.instanceId) : undefined;
    if (n.phase !== 'failed' || known?.member === false) return true;
    return known?.healthy === true && known.failure === null && (known.changed || !n.touched);
  });
};

/** Begins further nodes unless something that was changed already does badly: the gate between the nodes. */
const begin = (state: Rollout, facts: Facts, nowMs: number, quorum: number): readonly Action[] => {
  const watched = watchedCanaries(state, nowMs);
  const sick = watched.filter((n) => facts.get(n.instanceId)?.healthy === false && facts.get(n.instanceId)?.member);
  if (sick.length > 0)
    return sick.map((node) => ({
      kind: 'fail',
      node,
      reason: `the canary became unhealthy while it was watched: ${facts.get(node.instanceId)?.detail ?? ''}`,
    }));
  if (watched.length > 0) return [];
  const away = (n: RolloutNode) =>
    facts.get(n.instanceId)?.healthy === false && facts.get(n.instanceId)?.member === true;
  const unwell = state.nodes.filter((n) => away(n) && (n.role === 'server' || n.phase === 'done'));
  const able = mayBegin(state, unwell.filter((n) => n.role === 'agent').length);
  const spared = canSpare(state, able, facts, quorum);
  const holdsUp = (n: RolloutNode) => n.role === 'server' && !able.includes(n) && !(spared && n.phase === 'skipped');
  const server = unwell.find(holdsUp);
  // A control plane that already lacks a server must not lose another. Forward only: a rollback is the cure.
  if (state.direction === 'forward' && server !== undefined && able.length > 0)
    return stalled(state, able[0]!, server, facts.get(server.instanceId)!.detail, nowMs);
  const others = [...facts].filter(([id, f]) => f.member && !state.nodes.some((n) => n.instanceId === id));
  const other = spared ? undefined : others.find(([, f]) => !f.healthy);
  if (state.direction === 'forward' && other !== undefined && able.length > 0)
    return stalled(state, able[0]!, { name: other[0] }, other[1].detail, nowMs);
  return able.map((node) => phase(node, 'draining'));
};

/** Waits for the server that does badly, and stops when that lasts. */
const stalled = (
  state: Rollout,
  next: RolloutNode,
  server: Pick<RolloutNode, 'name'>,
  detail: string,
  nowMs: number,
): readonly Action[] => {
  const last = Math.max(state.startedMs, ...state.nodes.map((n) => n.sinceMs));
  if (nowMs - last <= state.options.node_timeout_seconds * 1_000) return [];
  return [{ kind: 'fail', node: next, reason: `not begun: server ${server.name} is not healthy: ${detail}` }];
};

/**
 * What to do now, from what is decided and what is seen. Pure; doing it twice does no harm. `quorum`: so many servers must be
 * left when one is restarted while another is away.
 */
export const nextActions = (
  state: Rollout,
  facts: Facts,
  nowMs: number,
  quorum = Number.POSITIVE_INFINITY,
): readonly Action[] => {
  if (isFinished(state)) return [];
  if (goesOnAlone(state) && isBack(state, facts)) return [{ kind: 'resume' }];
  const active = state.nodes.filter(isActive).flatMap((node) => {
    const known = facts.get(node.instanceId);
    const actions = known === undefined ? [] : onActive(state, node, known, nowMs);
    return actions.flatMap((action) =>
      action.kind === 'fail' ? (leftOut(state, action, facts, nowMs, quorum) ?? [action]) : [action],
    );
  });
  if (active.length > 0) return active;
  const begun = begin(state, facts, nowMs, quorum);
  return begun.length > 0 ? begun : finish(state);
};

import { assertNever, type EventOf } from '#kernel';
import type { PlannedNode, RolloutChange, rolloutEvents, RolloutOptions } from './events.js';

export type RolloutEvent = EventOf<(typeof rolloutEvents)[number]>;

export type NodePhase = 'pending' | 'draining' | 'changing' | 'verifying' | 'done' | 'failed' | 'skipped';
export type RolloutStatus = 'running' | 'paused' | 'stopped' | 'aborting' | 'completed' | 'aborted' | 'rolled_back';

export interface RolloutNode {
  readonly instanceId: string;
  readonly name: string;
  readonly role: 'server' | 'agent';
  readonly canary: boolean;
  readonly fromVersion: string | null;
  readonly fromVersionId: string | null;
  readonly wasDrained: boolean;
  readonly phase: NodePhase;
  /** When the phase began, milliseconds since the epoch. */
  readonly sinceMs: number;
  /** The change was begun on it at some time: a rollback has something to take back. */
  readonly touched: boolean;
  /** It reported the change of this run, where that is not a version. */
  readonly reported: boolean;
  readonly error: string | null;
}

/** One pass over the nodes of a cluster. */
export interface Rollout {
  readonly run: number;
  readonly clusterId: string;
  readonly change: RolloutChange;
  readonly options: RolloutOptions;
  readonly direction: 'forward' | 'back';
  readonly status: RolloutStatus;
  /** When it was started, or went on last: what happened before keeps nobody from waiting again. */
  readonly startedMs: number;
  /** How often it went on without having been told to, since an operator last told it to; absent in states of older builds. */
  readonly wentOn?: number;
  /** In the order in which they are changed; a rollback goes from the end to the beginning. */
  readonly nodes: readonly RolloutNode[];
}

/** The last rollout of a cluster; there is one at a time. */
export type RolloutState = { readonly run: 0 } | Rollout;
export const noRollout: RolloutState = { run: 0 };

export const isKnown = (state: RolloutState): state is Rollout => state.run > 0;
export const isActive = (node: RolloutNode): boolean => ['draining', 'changing', 'verifying'].includes(node.phase);
export const isFinished = (state: Rollout): boolean => ['completed', 'aborted', 'rolled_back'].includes(state.status);

export const labelOf = (state: Rollout): string =>
  state.direction === 'back' && !isFinished(state)
    ? state.status === 'running'
      ? 'rolling_back'
      : `${state.status} (rolling back)`
    : state.status;

const fresh = (node: PlannedNode): RolloutNode => ({
  instanceId: node.instance_id,
  name: node.name,
  role: node.role,
  canary: node.canary,
  fromVersion: node.from_version,
  fromVersionId: node.from_version_id,
  wasDrained: node.was_drained,
  phase: 'pending',
  sinceMs: 0,
  touched: false,
  reported: false,
  error: null,
});

const withNode = (state: Rollout, id: string, change: (node: RolloutNode) => RolloutNode): Rollout => ({
  ...state,
  nodes: state.nodes.map((node) => (node.instanceId === id ? change(node) : node)),
});

export const evolveRollout = (state: RolloutState, event: RolloutEvent): RolloutState => {
  if (event.type === 'system.k3s.rollout.started') {
    const { run, cluster_id: clusterId, at_ms: startedMs, change, options } = event.data;
    const nodes = inOrder(event.data.nodes).map(fresh);
    return { run, clusterId, change, options, direction: 'forward', status: 'running', startedMs, wentOn: 0, nodes };
  }
  if (!isKnown(state)) return state;
  switch (event.type) {
    case 'system.k3s.rollout.nodes_added':
      return { ...state, nodes: inOrder([...state.nodes, ...event.data.nodes.map(fresh)]) };
    case 'system.k3s.rollout.node_progressed': {
      const { instance_id, phase, at_ms: sinceMs } = event.data;
      return withNode(state, instance_id, (node) => ({
        ...node,
        phase,
        sinceMs,
        // Why it was left out is what an operator looks for.
        error: phase === 'skipped' && event.data.detail !== '' ? event.data.detail : null,
        touched: node.touched || phase === 'changing',
      }));
    }
    case 'system.k3s.rollout.node_failed': {
      const failed = withNode(state, event.data.instance_id, (node) => ({
        ...node,
        phase: 'failed',
        error: event.data.reason,
      }));
      return failed.status === 'aborting' ? failed : { ...failed, status: 'stopped' };
    }
    case 'system.k3s.rollout.node_reported':
      return withNode(state, event.data.instance_id, (node) => reported(state, node, event.data.at_ms));
    case 'system.k3s.rollout.paused':
      return { ...state, status: 'paused' };
    case 'system.k3s.rollout.resumed':
      return {
        ...state,
        status: 'running',
        startedMs: event.data.at_ms ?? state.startedMs,
        wentOn: event.data.by_itself === true ? (state.wentOn ?? 0) + 1 : 0,
        nodes: state.nodes.map((n) => (n.phase === 'failed' ? again(n) : n)),
      };
    case 'system.k3s.rollout.abort_requested':
      return {
        ...state,
        status: 'aborting',
        nodes: state.nodes.map((n) => (n.phase === 'pending' ? { ...n, phase: 'skipped' } : n)),
      };
    case 'system.k3s.rollout.rollback_started': {
      const back = new Set<string>(event.data.nodes);
      const nodes = state.nodes.map((n): RolloutNode =>
        back.has(n.instanceId) ? again(n) : { ...n, phase: 'skipped' },
      );
      return { ...state, direction: 'back', status: 'running', nodes };
    }
    case 'system.k3s.rollout.finished':
      return { ...state, status: event.data.outcome };
    default:
      return assertNever(event);
  }
};

/** Told, and given up by the rollout: left out while it was away, or failed in one that is over. It does it when it can. */
export const isOwed = (state: Rollout, node: RolloutNode): boolean =>
  state.change.kind === 'certificates' &&
  node.touched &&
  !node.reported &&
  (node.phase === 'skipped' || (node.phase === 'failed' && isFinished(state)));

/** What was owed has come. */
const reported = (state: Rollout, node: RolloutNode, atMs: number | undefined): RolloutNode =>
  isOwed(state, node)
    ? { ...node, reported: true, phase: 'done', sinceMs: atMs ?? node.sinceMs, error: null }
    : { ...node, reported: true };

const again = (node: RolloutNode): RolloutNode => ({ ...node, phase: 'pending', error: null });

/** Servers before workers, canaries first among each; otherwise as they came. */
export const inOrder = <N extends { readonly role: 'server' | 'agent'; readonly canary: boolean }>(
  nodes: readonly N[],
): N[] => {
  const rank = (n: N) => (n.role === 'server' ? 0 : 2) + (n.canary ? 0 : 1);
  return nodes
    .map((node, index) => ({ node, index }))
    .sort((a, b) => rank(a.node) - rank(b.node) || a.index - b.index)
    .map(({ node }) => node);
};

const WEIGHT: Readonly<Record<NodePhase, number>> = {
  pending: 0,
  draining: 0.1,
  changing: 0.4,
  verifying: 0.8,
  done: 1,
  failed: 0.4,
  skipped: 1,
};

/** Of the nodes that this direction is about. */
export const progressOf = (state: Rollout): { percent: number; done: number; total: number } => {
  const about = state.nodes.filter((n) => n.phase !== 'skipped');
  const done = about.filter((n) => n.phase === 'done').length;
  const weight = about.reduce((sum, n) => sum + WEIGHT[n.phase], 0);
  return { percent: about.length === 0 ? 100 : Math.floor((weight / about.length) * 100), done, total: about.length };
};

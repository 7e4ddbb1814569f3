import { accept, assertNever, nothing, refusal, reject, type Decider, type Decision, type EventLinks } from '#kernel';
import {
  RolloutAbortRequested,
  RolloutFinished,
  RolloutNodeFailed,
  RolloutNodeProgressed,
  RolloutNodeReported,
  RolloutNodesAdded,
  RolloutPaused,
  RolloutResumed,
  RolloutRollbackStarted,
  RolloutStarted,
  type PlannedNode,
} from './events.js';
import { goesOnAlone, nextFor } from './advice.js';
import type { Action } from './next.js';
import { mayBegin } from './order.js';
import {
  evolveRollout,
  isActive,
  isFinished,
  isKnown,
  isOwed,
  labelOf,
  noRollout,
  progressOf,
  type Rollout,
  type RolloutEvent,
  type RolloutState,
} from './state.js';

type Started = Parameters<typeof RolloutStarted>[0];
type Doing = Exclude<Action, { kind: 'drain' | 'uncordon' | 'resume' }>;

export type RolloutCommand =
  | { readonly kind: 'start'; readonly plan: Omit<Started, 'run'> }
  | { readonly kind: 'add_nodes'; readonly run: number; readonly nodes: readonly PlannedNode[] }
  | { readonly kind: 'pause' | 'abort' }
  | { readonly kind: 'resume'; readonly atMs?: number; readonly byItself?: boolean }
  /** `late`: members that run the version without this rollout having changed them, and what they are to run instead. */
  | { readonly kind: 'rollback'; readonly late: readonly PlannedNode[] }
  | {
      readonly kind: 'report';
      readonly run: number;
      readonly instanceId: string;
      readonly certificatesEndMs: number | null;
      readonly kubeconfigDigest?: string;
      readonly atMs?: number;
    }
  /** A step that `nextActions` proposed for this run. */
  | { readonly kind: 'step'; readonly run: number; readonly action: Doing; readonly atMs: number };

const wrong = (state: Rollout, what: string, hint: string): Decision<never> =>
  reject(
    refusal(409, 'upgrade_state', `the rollout is ${labelOf(state)}: it cannot be ${what}`, {
      field: 'cluster_id',
      hint,
    }),
  );

const start = (c: Extract<RolloutCommand, { kind: 'start' }>, state: RolloutState): Decision<RolloutEvent> => {
  if (isKnown(state) && !isFinished(state)) {
    return reject(
      refusal(409, 'upgrade_in_progress', `a rollout of this cluster is ${labelOf(state)}`, {
        field: 'cluster_id',
        hint: `${nextFor(state)}; one at a time`,
      }),
    );
  }
  return accept(RolloutStarted({ ...c.plan, run: state.run + 1 }, { links: { cluster: c.plan.cluster_id } }));
};

interface About {
  readonly data: { cluster_id: never; run: number };
  readonly links: { readonly links: EventLinks };
}
const aboutOf = (state: Rollout): About => ({
  data: { cluster_id: state.clusterId as never, run: state.run },
  links: { links: { cluster: state.clusterId } },
});

const rollback = (c: Extract<RolloutCommand, { kind: 'rollback' }>, state: Rollout): Decision<RolloutEvent> => {
  if (state.change.kind !== 'upgrade')
    return wrong(
      state,
      'rolled back',
      state.change.kind === 'certificates'
        ? 'certificates were made anew; the old ones do not come back'
        : 'the datastore may be encrypted with the new token; the old one does not come back',
    );
  if (state.status === 'aborting' || state.status === 'rolled_back') return wrong(state, 'rolled back', nextFor(state));
  if (state.direction === 'back') return nothing('rolling_back_already');
  // A node that was only being drained goes through it as well: it ends uncordoned, with what it had.
  const lateIds = new Set<string>(c.late.map((n) => n.instance_id));
  const nodes = state.nodes.filter(
    (n) => lateIds.has(n.instanceId) || (n.phase !== 'skipped' && (n.touched || isActive(n))),
  );
  const added = c.late.filter((n) => !state.nodes.some((known) => known.instanceId === n.instance_id));
  const { data, links } = aboutOf(state);
  const back = [...nodes.map((n) => n.instanceId), ...added.map((n) => n.instance_id)];
  const started = RolloutRollbackStarted({ ...data, nodes: back as never[] }, links);
  if (added.length === 0) return accept<RolloutEvent>(started);
  return accept<RolloutEvent>(RolloutNodesAdded({ ...data, nodes: added }, links), started);
};

type Control = Extract<RolloutCommand, { kind: 'pause' | 'resume' | 'abort' }>;

const control = (c: Control, state: Rollout): Decision<RolloutEvent> => {
  const { data, links } = aboutOf(state);
  const { kind } = c;
  if (isFinished(state)) return wrong(state, `${kind}d`.replace('abortd', 'aborted'), nextFor(state));
  switch (c.kind) {
    case 'pause':
      if (state.status === 'paused') return nothing('paused_already');
      return state.status === 'running' ? accept(RolloutPaused(data, links)) : wrong(state, 'paused', nextFor(state));
    case 'resume': {
      if (state.status === 'running') return nothing('running_already');
      if (state.status === 'aborting') return wrong(state, 'resumed', nextFor(state));
      if (c.byItself === true && !goesOnAlone(state)) return nothing('waits_for_an_operator');
      const retried = state.nodes.filter((n) => n.phase === 'failed').map((n) => n.instanceId as never);
      const how = {
        ...(c.atMs === undefined ? {} : { at_ms: c.atMs }),
        ...(c.byItself === true && { by_itself: true }),
      };
      return accept(RolloutResumed({ ...data, retried, ...how }, links));
    }
    case 'abort':
      return state.status === 'aborting' ? nothing('aborting_already') : accept(RolloutAbortRequested(data, links));
    default:
      return assertNever(c);
  }
};

const AFTER = { draining: 'changing', changing: 'verifying', verifying: 'done' } as const;

/** Only what still follows from the state: of two platforms that saw the same, one makes the step. */
const step = (c: Extract<RolloutCommand, { kind: 'step' }>, state: Rollout): Decision<RolloutEvent> => {
  if (c.run !== state.run || isFinished(state)) return nothing('another_run');
  const { data, links } = aboutOf(state);
  const { action } = c;
  if (action.kind === 'finish') {
    const open = state.nodes.some((n) => isActive(n) || (state.status === 'running' && n.phase === 'pending'));
    return open
      ? nothing('not_finished')
      : accept(RolloutFinished({ ...data, outcome: action.outcome, ...progressOf(state) }, links));
  }
  const node = state.nodes.find((n) => n.instanceId === action.node.instanceId);
  if (node === undefined || node.phase !== action.node.phase) return nothing('not_in_that_phase');
  const about = { links: { ...links.links, instance: node.instanceId } };
  const ids = { ...data, instance_id: node.instanceId as never, direction: state.direction };
  if (action.kind === 'fail') {
    return accept(RolloutNodeFailed({ ...ids, reason: action.reason.slice(0, 1_000), ...progressOf(state) }, about));
  }
  const begins = action.phase === 'draining';
  if (begins && !mayBegin(state).includes(node)) return nothing('not_its_turn');
  if (!begins && action.phase !== 'skipped' && AFTER[node.phase as keyof typeof AFTER] !== action.phase)
    return nothing('not_the_next_phase');
  const event = { ...ids, phase: action.phase, at_ms: c.atMs, detail: action.detail };
  const after = evolveRollout(state, RolloutNodeProgressed({ ...event, percent: 0, done: 0, total: 0 })) as Rollout;
  return accept(RolloutNodeProgressed({ ...event, ...progressOf(after) }, about));
};

const addNodes = (c: Extract<RolloutCommand, { kind: 'add_nodes' }>, state: Rollout): Decision<RolloutEvent> => {
  const added = c.nodes.filter((n) => !state.nodes.some((known) => known.instanceId === n.instance_id));
  if (c.run !== state.run || state.status !== 'running' || added.length === 0) return nothing('nothing_to_add');
  const { data, links } = aboutOf(state);
  return accept(RolloutNodesAdded({ ...data, nodes: [...added] }, links));
};

const report = (c: Extract<RolloutCommand, { kind: 'report' }>, state: Rollout): Decision<RolloutEvent> => {
  const node = state.nodes.find((n) => n.instanceId === c.instanceId);
  if (c.run !== state.run || node === undefined || node.reported) return nothing('not_awaited');
  // Of a rollout that is over only what a node still owes is news.
  if (isFinished(state) && !isOwed(state, node)) return nothing('not_awaited');
  const { data, links } = aboutOf(state);
  const told = {
    ...data,
    instance_id: node.instanceId as never,
    certificates_end_ms: c.certificatesEndMs,
    ...(c.kubeconfigDigest === undefined ? {} : { kubeconfig_digest: c.kubeconfigDigest }),
    ...(c.atMs === undefined ? {} : { at_ms: c.atMs }),
  };
  return accept(RolloutNodeReported(told, { links: { ...links.links, instance: node.instanceId } }));
};

const decide = (c: RolloutCommand, state: RolloutState): Decision<RolloutEvent> => {
  if (c.kind === 'start') return start(c, state);
  if (!isKnown(state))
    return reject(
      refusal(404, 'no_upgrade', 'this cluster has had no rollout yet', {
        field: 'cluster_id',
        hint: 'kubernetes_upgrade_cluster starts one',
      }),
    );
  switch (c.kind) {
    case 'add_nodes':
      return addNodes(c, state);
    case 'rollback':
      return rollback(c, state);
    case 'step':
      return step(c, state);
    case 'report':
      return report(c, state);
    case 'pause':
    case 'resume':
    case 'abort':
      return control(c, state);
    default:
      return assertNever(c);
  }
};

export const rolloutDecider: Decider<RolloutState, RolloutCommand, RolloutEvent> = {
  initial: noRollout,
  evolve: evolveRollout,
  decide,
};

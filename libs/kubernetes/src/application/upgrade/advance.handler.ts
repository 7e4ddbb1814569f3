import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { assertNever, CLOCK, type Clock, type InstanceId } from '#kernel';
import { familyOf, instanceDecider, RequestDrain, Uncordon } from '#fleet';
import {
  COMMAND_DISPATCHER,
  TRANSACTOR,
  type CommandContext,
  type CommandDispatcher,
  type CommandResult,
  type Transactor,
} from '#processing';
import type { Cluster } from '../../domain/cluster/state.js';
import { needsFacts, nextActions, type Action, type Facts, type NodeFacts } from '../../domain/upgrade/next.js';
import type { PlannedNode } from '../../domain/upgrade/events.js';
import { planNodes, type ClusterMember } from '../../domain/upgrade/plan.js';
import { isFinished, isKnown, type Rollout, type RolloutNode } from '../../domain/upgrade/state.js';
import { Clusters } from '../clusters.js';
import { derive } from '../derive.js';
import { serversNeeded } from '../../domain/quorum.js';
import { lastRestore } from '../operations.js';
import { TokenRotation } from '../token/token-rotation.js';
import { AdvanceRollout } from './commands.js';
import { NodeProbe, type Probed } from './node-probe.js';
import { alsoBack, applyRollout, membersOf, readRollout } from './rollouts.js';
import { VersionDirectory } from './version-directory.js';

/** One look and one round of a rollout. Everything durable is in streams, so that it may die between any two of its lines. */
@CommandHandler(AdvanceRollout)
export class AdvanceRolloutHandler implements ICommandHandler<AdvanceRollout> {
  private readonly clusters: Clusters;

  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly versions: VersionDirectory,
    private readonly probe: NodeProbe,
    private readonly tokens: TokenRotation,
  ) {
    this.clusters = new Clusters(transactor);
  }

  async execute({ payload, context }: AdvanceRollout): Promise<CommandResult<void>> {
    const state = await readRollout(this.transactor, payload.cluster_id);
    const done = { kind: 'done', value: undefined } as const;
    if (!isKnown(state) || state.run !== payload.run || isFinished(state)) return done;
    const cluster = await this.clusters.read(payload.cluster_id);
    const gone = cluster === undefined || cluster.status === 'decommissioned';
    if (gone && state.status !== 'aborting') {
      await applyRollout(this.transactor, state.clusterId, { kind: 'abort' }, derive(context, 'gone'));
      return done;
    }
    // Begun in the same moment as this: it gives up by itself, or has halted what this would wait for.
    if (!gone && (await lastRestore(this.transactor, cluster.id)).running) return done;
    const facts = gone ? nobody(state) : await this.facts(state, ...(await this.prepared(state, cluster, context)));
    const quorum = gone ? undefined : serversNeeded(cluster);
    for (const [n, action] of nextActions(state, facts, this.clock.wallMs(), quorum).entries()) {
      const ends = !gone && action.kind === 'finish' && action.outcome !== 'aborted';
      if (ends && (await this.addLate(state, cluster, derive(context, 'late')))) return done;
      await this.act(state, action, derive(context, 'action', String(n)));
    }
    return done;
  }

  private async act(state: Rollout, action: Action, context: CommandContext): Promise<void> {
    switch (action.kind) {
      case 'drain': {
        const instance_id = action.node.instanceId as InstanceId;
        const timeout_seconds = state.options.drain_timeout_seconds;
        // Refused when the instance is going: the next look sees it.
        await this.dispatcher.dispatch(new RequestDrain({ instance_id, timeout_seconds }, context));
        return;
      }
      case 'uncordon':
        await this.dispatcher.dispatch(new Uncordon({ instance_id: action.node.instanceId as InstanceId }, context));
        return;
      case 'resume': {
        const command = { kind: 'resume', atMs: this.clock.wallMs(), byItself: true } as const;
        await applyRollout(this.transactor, state.clusterId, command, context);
        return;
      }
      case 'phase':
      case 'fail':
      case 'finish': {
        const command = { kind: 'step', run: state.run, action, atMs: this.clock.wallMs() } as const;
        await applyRollout(this.transactor, state.clusterId, command, context);
        return;
      }
      default:
        assertNever(action);
    }
  }

  /** Nodes that joined while the rollout went on, with what the cluster had before. True when there were any. */
  private async addLate(state: Rollout, cluster: Cluster, context: CommandContext): Promise<boolean> {
    const members = await membersOf(this.transactor, this.versions, cluster);
    const nodes = lateNodes(state, members);
    if (nodes.length === 0) return false;
    const done = await applyRollout(this.transactor, cluster.id, { kind: 'add_nodes', run: state.run, nodes }, context);
    return done.kind === 'accepted';
  }

  /** A token is changed for the cluster before it is for the first node. */
  private async prepared(
    state: Rollout,
    cluster: Cluster,
    context: CommandContext,
  ): Promise<[cluster: Cluster, trouble: string | undefined]> {
    if (state.change.kind !== 'server_token' || !isBegun(state, cluster)) return [cluster, undefined];
    const trouble = await this.tokens.prepare(state, cluster, derive(context, 'token'));
    return [(await this.clusters.read(cluster.id)) ?? cluster, trouble];
  }

  private async facts(state: Rollout, cluster: Cluster, trouble?: string): Promise<Map<string, NodeFacts>> {
    const nodes = [...needsFacts(state), ...bystanders(state, cluster)];
    const probed = await this.probe.look(
      cluster,
      nodes.filter((n) => cluster.nodes.has(n.instanceId)),
    );
    const facts = new Map<string, NodeFacts>();
    for (const node of nodes)
      facts.set(node.instanceId, await this.factsOf(state, cluster, node, probed.get(node.instanceId)));
    if (state.change.kind === 'server_token') await this.addToken(cluster, nodes, facts, trouble);
    return facts;
  }

  private async addToken(
    cluster: Cluster,
    nodes: readonly RolloutNode[],
    facts: Map<string, NodeFacts>,
    trouble: string | undefined,
  ): Promise<void> {
    for (const { instanceId, phase } of nodes) {
      const seen = facts.get(instanceId)!;
      if (phase === 'changing' && trouble !== undefined) {
        // What K3s refuses stays refused; an agent or a server that cannot be reached is waited for, for the node's time.
        const failure = cluster.tokenChange?.phase === 'dropped' ? trouble : null;
        facts.set(instanceId, { ...seen, changed: false, failure, detail: trouble });
      }
      if (phase !== 'verifying' || !seen.healthy) continue;
      const { ok, detail } = await this.tokens.inForce(cluster, instanceId);
      facts.set(instanceId, { ...seen, healthy: ok, detail });
    }
  }

  private async factsOf(state: Rollout, cluster: Cluster, node: RolloutNode, seen: Probed | undefined) {
    const instance = (await this.transactor.read(node.instanceId, instanceDecider))?.state;
    const member = cluster.nodes.get(node.instanceId);
    const living = instance?.kind === 'known' && instance.phase !== 'terminated' && instance.phase !== 'forgotten';
    const goal = goalOf(state, node);
    const reported = goal === null || member?.version === goal;
    const asTold = state.change.kind === 'upgrade' || node.reported;
    const runs =
      goal === null || (seen?.kubeletVersion === goal && (node.role === 'agent' || seen.serverVersion === goal));
    const answers = node.role === 'agent' || (seen?.serverVersion ?? null) !== null;
    const modules = instance?.kind === 'known' ? Object.values(instance.modules) : [];
    const failed = modules.find((m) => familyOf(m.moduleName) === 'k3s' && m.status === 'failed');
    return {
      member: living && member !== undefined,
      drain: instance?.kind === 'known' ? instance.drain : ('none' as const),
      cordoned: seen?.cordoned ?? false,
      changed: reported && asTold && member?.status !== 'not_ready' && member?.status !== 'joining',
      healthy: seen?.ready === true && runs && answers,
      detail: describe(seen, goal, runs, answers),
      // One of last year is no reason why this change fails.
      failure: this.versions.isWellAgain(node.instanceId) ? null : (failed?.error ?? null),
    };
  }
}

/** Who joined since the plan was made, and has not what this direction is about. */
const lateNodes = (state: Rollout, members: readonly ClusterMember[]): readonly PlannedNode[] => {
  if (state.change.kind !== 'upgrade') return [];
  if (state.direction === 'back') return alsoBack(state, members);
  const known = new Set(state.nodes.map((n) => n.instanceId));
  const late = members.filter((m) => !known.has(m.instanceId));
  return planNodes(late, state.change.version, 0).nodes;
};

const GONE: NodeFacts = {
  ...{ member: false, drain: 'none', cordoned: false, changed: false, healthy: false },
  ...{ detail: 'the cluster is gone', failure: null },
};
/**
 * From the first node on, and from then on also while none is being changed: a server that was away when the token was given
 * out comes up with nothing else, and as long as it is not up no other node may begin.
 */
const isBegun = (state: Rollout, { tokenChange }: Cluster): boolean => {
  const phase = tokenChange?.run === state.run ? tokenChange.phase : undefined;
  if (phase === 'made' || (phase === 'chosen' && state.status === 'running')) return true;
  return state.nodes.some((n) => n.phase === 'changing');
};

/** Of a cluster that is gone: what was under way is skipped, so that the rollout comes to its end. */
const nobody = (state: Rollout): Facts => new Map(state.nodes.map((n) => [n.instanceId, GONE]));

/** Servers that the rollout leaves as they are: the control plane needs them all the same. */
const bystanders = (state: Rollout, cluster: Cluster): RolloutNode[] =>
  [...cluster.nodes].flatMap(([instanceId, { role, status, nodeName, version }]) => {
    if (role !== 'server' || status === 'joining' || state.nodes.some((n) => n.instanceId === instanceId)) return [];
    const left = { phase: 'skipped', sinceMs: 0, canary: false, touched: false, reported: false, error: null } as const;
    const was = { fromVersion: version, fromVersionId: null, wasDrained: false };
    return [{ instanceId, name: nodeName ?? instanceId, role, ...left, ...was }];
  });

/** The version that the node should report; null where versions are not the point, and for nodes that were not reached yet. */
const goalOf = (state: Rollout, node: RolloutNode): string | null => {
  if (state.change.kind !== 'upgrade') return null;
  const reached = node.phase !== 'pending' && node.phase !== 'draining' && node.phase !== 'skipped';
  if (!reached) return null;
  return state.direction === 'forward' ? state.change.version : node.fromVersion;
};

const describe = (seen: Probed | undefined, goal: string | null, runs: boolean, answers: boolean): string => {
  if (seen === undefined) return 'not a member of the cluster';
  if (!seen.ready) return seen.detail || 'the node is not Ready';
  if (!answers) return 'its API server does not answer';
  return runs
    ? ''
    : `kubelet reports ${seen.kubeletVersion ?? 'nothing'}, API ${seen.serverVersion ?? '-'}, not ${goal}`;
};

import { deterministicUuid, refusal, RefusedError, type Clock, type Log } from '#kernel';
import type { AgentIdentity } from '#agent-gateway';
import type { SecretStore } from '#access';
import type { CommandContext, Transactor } from '#processing';
import { joinMismatch, networkProfile } from '../domain/cni.js';
import { nobodyToJoin } from '../domain/cluster/nobody-to-join.js';
import type { Cluster, NodeRole } from '../domain/cluster/state.js';
import { noQuorum, waitsForQuorum } from '../domain/quorum.js';
import { apiSaid } from './api-said.js';
import { Clusters } from './clusters.js';
import type { Departures } from './departures.js';
import { derive } from './derive.js';
import type { AssignedModule, KubernetesDirectory } from './directory.js';
import { joinRefusals } from './join-refusals.js';

import { isFinished, isKnown } from '../domain/upgrade/state.js';
import { readRollout } from './upgrade/rollouts.js';
import { missingPeer, type PhaseAnswer } from './phase-answer.js';
import { targetCluster, targetOf } from './targets.js';
import type { WorkerToken, WorkerTokens } from './worker-tokens.js';

const RETRY_MS = 1_000;
/** Two servers joining at once can leave etcd without a quorum of started members, so they join one after the other. */
const SERVER_JOIN_WINDOW_MS = 90_000;

/** join_request: which cluster, may it, and with which token. */
export class Joins {
  /** Since when a server has been joining; in memory, because it only spaces joins out. */
  private readonly joiningServers = new Map<string, { readonly instanceId: string; readonly sinceMs: number }>();

  /** The token minted for a worker's newest join_request: the same request again gives the same answer. */
  private readonly minted = new Map<string, { readonly commandId: string; readonly token: WorkerToken }>();

  constructor(
    private readonly deps: {
      readonly directory: KubernetesDirectory;
      readonly clusters: Clusters;
      /** Absent where there is no Kubernetes API to ask. */
      readonly departures?: Pick<Departures, 'clearName'>;
      readonly tokens: WorkerTokens;
      readonly secrets: SecretStore;
      readonly transactor: Transactor;
      readonly clock: Clock;
      readonly log: Log;
    },
  ) {}

  async request(
    agent: AgentIdentity,
    role: NodeRole,
    module: AssignedModule,
    context: CommandContext,
  ): Promise<PhaseAnswer> {
    // The assignment's word only: a node does not choose the cluster whose token it is given.
    const target = targetOf(module);
    const known = { id: agent.instanceId, accountId: agent.accountId };
    const clusterId = targetCluster(this.deps.directory, known, module);
    if (!clusterId.ok) {
      await this.recordRefusal(agent, target, clusterId.refusal, context);
      throw new RefusedError(clusterId.refusal);
    }
    if (clusterId.id === undefined) return { retryAfterMs: RETRY_MS };
    const cluster = await this.deps.clusters.read(clusterId.id);
    if (cluster !== undefined && role === 'server' && beginsWith(cluster, agent.instanceId))
      return this.firstOnDatastore(cluster);
    if (cluster === undefined || cluster.apiEndpoint === null || cluster.caPem === null)
      return { retryAfterMs: RETRY_MS };
    const refused = this.fits(agent, role, cluster);
    if (refused !== undefined) {
      await this.recordRefusal(agent, target, refused, context);
      throw new RefusedError(refused);
    }
    const via = role === 'server' ? await this.tokenTaker(cluster) : cluster.apiEndpoint;
    if (via === undefined) return { retryAfterMs: RETRY_MS };
    if (role === 'server' && !this.mayJoinNow(cluster, agent.instanceId)) return { retryAfterMs: RETRY_MS };
    if (!(await this.clearName(cluster, agent.instanceId, role))) return { retryAfterMs: RETRY_MS };
    await this.deps.clusters.apply(
      cluster.id,
      { type: 'request_join', instanceId: agent.instanceId, role, target },
      derive(context, 'join_request'),
    );
    return role === 'server'
      ? this.serverToken(agent, { ...cluster, apiEndpoint: via }, context)
      : this.workerToken(agent, cluster, context);
  }

  /**
   * Where a joining server's token is taken. While the server token changes it is a server that runs with the new one already;
   * undefined while there is none: the datastore and all servers differ in it for the length of one restart.
   */
  private async tokenTaker(cluster: Cluster): Promise<string | null | undefined> {
    const change = cluster.tokenChange;
    if (change === null || change.phase === 'dropped' || cluster.datastore === 'external') return cluster.apiEndpoint;
    if (change.phase === 'chosen') return undefined;
    const state = await readRollout(this.deps.transactor, cluster.id);
    if (!isKnown(state) || state.run !== change.run || state.change.kind !== 'server_token') return cluster.apiEndpoint;
    // Completed, or ended by a restore, whose token all servers have.
    if (isFinished(state)) return cluster.apiEndpoint;
    // One that is drained has an API as good as any.
    const isUp = (id: string) => ['ready', 'draining'].includes(cluster.nodes.get(id)?.status ?? '');
    const [taker] = state.nodes.filter((n) => n.reported && isUp(n.instanceId));
    const peer = taker && this.deps.directory.peerOf(taker.instanceId, cluster.networkId);
    return peer === undefined ? undefined : `https://[${peer.addressV6}]:6443`;
  }

  private fits(agent: AgentIdentity, role: NodeRole, cluster: Cluster) {
    const alone = role === 'server' ? nobodyToJoin(cluster, agent.instanceId) : undefined;
    if (alone !== undefined) return alone;
    const quorum = noQuorum(cluster);
    // Told instead of tried for ever; the agent asks again by itself.
    if (quorum !== undefined) return waitsForQuorum(cluster, quorum);
    if (this.deps.directory.peerOf(agent.instanceId, cluster.networkId) === undefined)
      return missingPeer(agent.instanceId);
    const instance = this.deps.directory.instances.get(agent.instanceId);
    return joinMismatch(cluster.cniPlugin, networkProfile(instance?.memoryBytes ?? null), instance?.cniPlugin ?? null);
  }

  /** A machine that was installed anew joins under its old name: nothing of its earlier life may be in the way. */
  private async clearName(cluster: Cluster, instanceId: string, role: NodeRole): Promise<boolean> {
    try {
      await this.deps.departures?.clearName(cluster, instanceId, role);
      return true;
    } catch (error) {
      this.deps.log.warn(
        { cluster: cluster.id, instance: instanceId, error: apiSaid(error) },
        'its name is not free yet',
      );
      return false;
    }
  }

  private mayJoinNow(cluster: Cluster, instanceId: string): boolean {
    if (cluster.datastore === 'external') return true;
    const now = this.deps.clock.monotonicMs();
    const current = this.joiningServers.get(cluster.id);
    const busy = (current !== undefined && now - current.sinceMs < SERVER_JOIN_WINDOW_MS ? [current.instanceId] : [])
      .concat(this.recordedJoins(cluster))
      .some((id) => id !== instanceId && this.isJoining(cluster, id));
    if (!busy && current?.instanceId !== instanceId) this.joiningServers.set(cluster.id, { instanceId, sinceMs: now });
    return !busy;
  }

  /** What this process does not remember, because it has just been started. */
  private recordedJoins(cluster: Cluster): string[] {
    const now = this.deps.clock.wallMs();
    return [...(this.deps.directory.clusters.get(cluster.id)?.nodes ?? [])]
      .filter(([, { since }]) => typeof since === 'string' && now - Date.parse(since) < SERVER_JOIN_WINDOW_MS)
      .map(([id]) => id);
  }

  /** One that died on the way does not hold up the others. */
  private isJoining(cluster: Cluster, id: string): boolean {
    const node = cluster.nodes.get(id);
    return (
      node?.role === 'server' && node.status === 'joining' && this.deps.directory.instances.get(id)?.online === true
    );
  }

  /** The claimant of a cluster on an external datastore needs its endpoint, and the token that all servers start with. */
  private async firstOnDatastore(cluster: Cluster): Promise<PhaseAnswer> {
    const token = await this.serverTokenOf(cluster);
    if (token === undefined) return { retryAfterMs: RETRY_MS };
    const answer = { clusterId: cluster.id, clusterStatus: cluster.status, serverToken: token };
    return { ack: { ...answer, datastoreEndpoint: await this.datastoreOf(cluster) } };
  }

  private async datastoreOf(cluster: Cluster): Promise<string> {
    if (cluster.datastoreRef === null) return '';
    const endpoint = await this.deps.secrets.get(cluster.datastoreRef);
    if (endpoint !== undefined) return endpoint;
    throw new RefusedError(
      refusal(
        422,
        'datastore_endpoint_unavailable',
        `the datastore endpoint of ${cluster.name} is not in the secret store`,
        {
          field: 'config.datastore_endpoint',
          hint: 'assign k3s-server again with config.datastore_endpoint',
        },
      ),
    );
  }

  /** Servers share the cluster's server token; it comes from the secret store and is never logged. */
  private async serverToken(agent: AgentIdentity, cluster: Cluster, context: CommandContext): Promise<PhaseAnswer> {
    const token = await this.serverTokenOf(cluster);
    if (token === undefined) return { retryAfterMs: RETRY_MS };
    await this.deps.clusters.apply(
      cluster.id,
      { type: 'issue_join_token', instanceId: agent.instanceId, role: 'server', tokenId: 'server', expiresAt: null },
      derive(context, 'join_token'),
    );
    const datastoreEndpoint = await this.datastoreOf(cluster);
    return { ack: { ...this.ack(cluster), serverToken: token, datastoreEndpoint } };
  }

  private async workerToken(agent: AgentIdentity, cluster: Cluster, context: CommandContext): Promise<PhaseAnswer> {
    const target = {
      clusterName: cluster.name,
      kubeconfigRef: cluster.kubeconfigRef!,
      servers: Clusters.servers(cluster),
    };
    const serverToken = await this.serverTokenOf(cluster);
    if (serverToken === undefined) return { retryAfterMs: RETRY_MS };
    try {
      const earlier = this.minted.get(agent.instanceId);
      const minted =
        earlier?.commandId === context.commandId
          ? earlier.token
          : await this.deps.tokens.mint(target, serverToken, `drover: ${agent.instanceId}`);
      this.minted.set(agent.instanceId, { commandId: context.commandId, token: minted });
      await this.deps.clusters.apply(
        cluster.id,
        {
          type: 'issue_join_token',
          instanceId: agent.instanceId,
          role: 'agent',
          tokenId: minted.tokenId,
          expiresAt: minted.expiresAt,
        },
        derive(context, 'join_token', minted.tokenId),
      );
      return { ack: { ...this.ack(cluster), agentToken: minted.token } };
    } catch (error) {
      this.deps.log.warn(
        { cluster: cluster.id, instance: agent.instanceId, error: apiSaid(error) },
        'no worker token yet',
      );
      return { retryAfterMs: RETRY_MS };
    }
  }

  private async serverTokenOf(cluster: Cluster): Promise<string | undefined> {
    return cluster.serverTokenRef === null ? undefined : this.deps.secrets.get(cluster.serverTokenRef);
  }

  private ack(cluster: Cluster) {
    return {
      clusterId: cluster.id,
      clusterStatus: cluster.status,
      apiEndpoint: cluster.apiEndpoint!,
      caPem: cluster.caPem!,
    };
  }

  /** One event per distinct refusal, however often the agent asks. */
  private async recordRefusal(
    agent: AgentIdentity,
    target: string | null,
    refused: ReturnType<typeof refusal>,
    context: CommandContext,
  ): Promise<void> {
    const candidates = (refused.candidates ?? []).map((c) => c.id);
    await this.deps.transactor.transact(
      agent.instanceId,
      joinRefusals,
      { instanceId: agent.instanceId, target, refusal: refused, candidates },
      { ...context, commandId: deterministicUuid('join_refused', context.commandId, refused.code) },
    );
  }
}

/** Its first server, before anything is recorded of it: it joins nobody. */
const beginsWith = (cluster: Cluster, instanceId: string): boolean =>
  cluster.datastore === 'external' && cluster.kubeconfigDigest === null && cluster.claimant === instanceId;

import {
  deterministicUuid,
  refusal,
  RefusedError,
  sha256Hex,
  type Clock,
  type InstanceId,
  type PeerId,
  failpoint,
} from '#kernel';
import type { AgentIdentity, PhaseHandler } from '#agent-gateway';
import type { SecretStore } from '#access';
import type { CommandContext, CommandDispatcher, Transactor } from '#processing';
import { agentV1 } from '#proto';
import { RecordInstalling, RecordRuntimeFailed } from '#fleet';
import { AllocateVirtualIp, SetVirtualIpCandidates } from '#sdwan';
import type { Cluster } from '../domain/cluster/state.js';
import { Rotations } from './certificates/rotations.js';
import { Clusters } from './clusters.js';
import { derive } from './derive.js';
import type { AssignedModule, KubernetesDirectory } from './directory.js';
import type { Joins } from './joins.js';
import { rewriteKubeconfig } from './kubeconfig.js';
import { missingPeer, type PhaseAnswer } from './phase-answer.js';
import { checkBounds } from './phase-bounds.js';
import { runtimeStop } from './runtime-stop.js';
import { secureTokenHash } from './worker-tokens.js';

type Request = agentV1.ReportPhaseRequest;

const PHASE_NAMES: Readonly<Record<number, string>> = {
  [agentV1.Phase.PHASE_INSTALLING]: 'installing',
  [agentV1.Phase.PHASE_BOOTSTRAP]: 'bootstrap',
  [agentV1.Phase.PHASE_JOIN_REQUEST]: 'join_request',
  [agentV1.Phase.PHASE_READY]: 'ready',
  [agentV1.Phase.PHASE_STOPPED]: 'stopped',
  [agentV1.Phase.PHASE_FAILED]: 'failed',
  [agentV1.Phase.PHASE_ROTATED]: 'rotated',
};
const ALLOWED: Readonly<Record<number, { module: string; role: 'server' | 'agent'; phases: readonly string[] }>> = {
  [agentV1.Runtime.RUNTIME_K3S_SERVER]: {
    module: 'k3s-server',
    role: 'server',
    phases: ['installing', 'bootstrap', 'join_request', 'ready', 'stopped', 'failed', 'rotated'],
  },
  [agentV1.Runtime.RUNTIME_K3S_AGENT]: {
    module: 'k3s-agent',
    role: 'agent',
    phases: ['installing', 'join_request', 'ready', 'stopped', 'failed', 'rotated'],
  },
};

/** Answers the K3s handshake: bootstrap, join_request, ready, stopped. The same phase again gives the same answer. */
export class K3sHandshake implements PhaseHandler {
  readonly runtimes = [agentV1.Runtime.RUNTIME_K3S_SERVER, agentV1.Runtime.RUNTIME_K3S_AGENT];

  private readonly rotations: Rotations;

  constructor(
    private readonly deps: {
      readonly directory: KubernetesDirectory;
      readonly clusters: Clusters;
      readonly joins: Joins;
      readonly secrets: SecretStore;
      readonly dispatcher: CommandDispatcher;
      readonly clock: Clock;
      readonly transactor: Transactor;
    },
  ) {
    this.rotations = new Rotations(deps);
  }

  async handle(agent: AgentIdentity, request: Request): Promise<agentV1.ReportPhaseResponse> {
    const answer = await this.answer(agent, request);
    if ('retryAfterMs' in answer) return { result: { $case: 'retryAfterMs', value: answer.retryAfterMs } };
    return { result: { $case: 'ack', value: agentV1.PhaseAck.fromPartial(answer.ack) } };
  }

  private async answer(agent: AgentIdentity, request: Request): Promise<PhaseAnswer> {
    const rule = ALLOWED[request.runtime];
    const phase = PHASE_NAMES[request.phase];
    if (rule === undefined || phase === undefined || !rule.phases.includes(phase)) {
      throw new RefusedError(
        refusal(
          422,
          'phase_not_allowed',
          `this runtime has no phase ${agentV1.Phase[request.phase] ?? request.phase}`,
          {
            field: 'phase',
            hint: rule === undefined ? 'use K3S_SERVER or K3S_AGENT' : `allowed: ${rule.phases.join(', ')}`,
          },
        ),
      );
    }
    checkBounds(request);
    // What nobody assigns any more may still have to be stopped, and how that goes is heard.
    if (phase === 'stopped' || (phase === 'failed' && request.stopping))
      return runtimeStop(this.deps, agent, rule.module, request, this.context(agent, request, phase));
    const module = this.assignedModule(agent, rule.module);
    const context = this.context(agent, request, phase);
    switch (phase) {
      case 'installing':
        await this.send(
          new RecordInstalling(
            { instance_id: agent.instanceId as InstanceId, module_name: rule.module },
            derive(context, 'installing'),
          ),
        );
        return { ack: {} };
      case 'failed':
        await this.send(
          new RecordRuntimeFailed(
            {
              instance_id: agent.instanceId as InstanceId,
              module_name: rule.module,
              reason: request.error.slice(0, 500),
              // The same again after it was well is another failure.
              anew: this.deps.directory.instances.get(agent.instanceId)?.problem === null,
            },
            derive(context, 'failed'),
          ),
        );
        return { ack: {} };
      case 'bootstrap':
        return this.bootstrap(agent, request, module, context);
      case 'join_request':
        return this.deps.joins.request(agent, rule.role, module, context);
      case 'rotated':
        return this.rotations.rotated(agent, request, rule.role, derive(context, 'rotated'));
      case 'ready':
        return this.ready(agent, request, rule.role, context);
      default:
        throw new Error(`no answer to ${phase}`);
    }
  }

  private async bootstrap(
    agent: AgentIdentity,
    request: Request,
    module: AssignedModule,
    context: CommandContext,
  ): Promise<PhaseAnswer> {
    for (const field of ['kubeconfig', 'serverToken', 'caPem', 'version'] as const) {
      if (request[field] !== '') continue;
      throw new RefusedError(refusal(422, 'missing_field', `bootstrap needs ${field}`, { field }));
    }
    secureTokenHash(request.serverToken);
    const cluster = await this.claimedCluster(agent, module);
    const peer = this.deps.directory.peerOf(agent.instanceId, cluster.networkId);
    if (peer === undefined) throw new RefusedError(missingPeer(agent.instanceId));
    const apiEndpoint = `https://[${cluster.vip ?? peer.addressV6}]:6443`;
    const kubeconfig = rewriteKubeconfig(request.kubeconfig, apiEndpoint);
    // Refused before anything is stored: a second kubeconfig must not replace the first one's secret.
    const same = cluster.kubeconfigDigest === sha256Hex(kubeconfig) || cluster.caPem === request.caPem;
    if (cluster.kubeconfigDigest !== null && !same) {
      throw new RefusedError(
        refusal(409, 'bootstrap_conflict', `${cluster.name} was bootstrapped with another kubeconfig and CA`, {
          hint: 'wipe K3s on this node; it must join instead of making a second cluster',
        }),
      );
    }
    const repeated = { clusterId: cluster.id, clusterStatus: cluster.status };
    if (cluster.kubeconfigDigest !== null && cluster.apiEndpoint !== null)
      return { ack: { ...repeated, apiEndpoint: cluster.apiEndpoint } };
    // Under the server's own name and its CA's: one that has lost its claim meanwhile, or its disk, must not write over what
    // is recorded of the next one.
    const of = `${agent.instanceId}.${sha256Hex(request.caPem).slice(0, 16)}`;
    const stored = await this.deps.secrets.put(cluster.id, `kubeconfig.${of}`, kubeconfig);
    const serverToken = await this.deps.secrets.put(cluster.id, `server_token.${of}`, request.serverToken);
    await failpoint('bootstrap.secrets_stored');
    await this.deps.clusters.apply(
      cluster.id,
      {
        type: 'bootstrap',
        instanceId: agent.instanceId,
        version: request.version,
        kubeconfigRef: stored.ref,
        kubeconfigDigest: stored.digest,
        serverTokenRef: serverToken.ref,
        caPem: request.caPem,
      },
      derive(context, 'bootstrap'),
    );
    await failpoint('bootstrap.recorded');
    await this.takeVirtualIp(cluster, agent.instanceId as InstanceId, peer.peerId, context);
    await failpoint('bootstrap.addressed');
    const done = await this.deps.clusters.apply(
      cluster.id,
      { type: 'mark_bootstrapped', apiEndpoint, failover: cluster.failover },
      derive(context, 'bootstrapped'),
    );
    return { ack: { clusterId: cluster.id, clusterStatus: done.state.status, apiEndpoint } };
  }

  /** The first holder is the bootstrap server; the other servers become candidates when they are ready. */
  private async takeVirtualIp(
    cluster: Cluster,
    instance_id: InstanceId,
    peer_id: PeerId,
    context: CommandContext,
  ): Promise<void> {
    // A repeated bootstrap must not shrink the candidates to one again.
    if (cluster.virtualIpId === null || cluster.apiEndpoint !== null) return;
    const [virtual_ip_id, holder] = [cluster.virtualIpId, { instance_id, peer_id }];
    await this.send(
      new SetVirtualIpCandidates({ virtual_ip_id, candidates: [holder] }, derive(context, 'first_candidate')),
    );
    await this.send(new AllocateVirtualIp({ virtual_ip_id, holder }, derive(context, 'allocate_vip')));
  }

  private async ready(
    agent: AgentIdentity,
    request: Request,
    role: 'server' | 'agent',
    context: CommandContext,
  ): Promise<PhaseAnswer> {
    const cluster = await this.memberCluster(agent, request.clusterId);
    // The name that the platform told the node to take, never the reported one: drains and deletions act on it with
    // admin rights, and a node must not point them at another.
    const nodeName = this.deps.directory.instances.get(agent.instanceId)?.name ?? agent.instanceId;
    const done = await this.deps.clusters.apply(
      cluster.id,
      { type: 'ready', instanceId: agent.instanceId, role, version: request.version, nodeName },
      derive(context, 'ready'),
    );
    return {
      ack: {
        nodeId: agent.instanceId,
        clusterId: cluster.id,
        nodeStatus: 'ready',
        role: role === 'server' ? 'control-plane' : 'worker',
        clusterStatus: done.state.status,
        apiEndpoint: cluster.apiEndpoint ?? '',
      },
    };
  }

  private assignedModule(agent: AgentIdentity, name: string): AssignedModule {
    const modules = [...(this.deps.directory.instances.get(agent.instanceId)?.modules.values() ?? [])];
    const module = modules.find((m) => m.name === name && !this.deps.directory.suspended.has(m.assignmentId));
    if (module !== undefined) return module;
    throw new RefusedError(
      refusal(403, 'module_not_assigned', `${name} is not assigned to ${agent.instanceId}`, {
        field: 'runtime',
        hint: `system_assign_module_to_template({template_id, module_name: "${name}"})`,
        candidates: modules.map((m) => ({ id: m.assignmentId, name: m.name })),
      }),
    );
  }

  private async claimedCluster(agent: AgentIdentity, module: AssignedModule): Promise<Cluster> {
    const known = this.deps.directory.clusterOfAssignment(module.assignmentId);
    const cluster = known === undefined ? undefined : await this.deps.clusters.read(known.id);
    if (cluster !== undefined && cluster.claimant === agent.instanceId) return cluster;
    throw new RefusedError(
      refusal(409, 'not_the_claimant', 'this server has not claimed its cluster', {
        hint: 'join with join_request; only the claimant runs --cluster-init',
      }),
    );
  }

  private async memberCluster(agent: AgentIdentity, named: string): Promise<Cluster> {
    const id = named || this.deps.directory.clusterOfMember(agent.instanceId)?.id;
    const cluster = id === undefined ? undefined : await this.deps.clusters.read(id);
    const known = id === undefined ? undefined : this.deps.directory.clusters.get(id);
    if (cluster !== undefined && known?.accountId === agent.accountId) return cluster;
    throw new RefusedError(
      refusal(404, 'ClusterNotFoundError', 'this node is a member of no such cluster', {
        field: 'cluster_id',
        hint: 'post join_request first',
      }),
    );
  }

  private async send(command: Parameters<CommandDispatcher['dispatch']>[0]): Promise<void> {
    const result = await this.deps.dispatcher.dispatch(command);
    if (result.kind === 'refused') throw new RefusedError(result.refusal);
  }

  /** The request id makes the command id, so that a retried report is the same command. */
  private context(agent: AgentIdentity, request: Request, phase: string): CommandContext {
    const commandId = deterministicUuid('phase', agent.instanceId, phase, request.requestId);
    return {
      commandId,
      correlationId: commandId,
      causationId: request.requestId || commandId,
      accountId: agent.accountId,
      actor: { kind: 'agent', id: agent.instanceId },
      nowMs: this.deps.clock.wallMs(),
    };
  }
}

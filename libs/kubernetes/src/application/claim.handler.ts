import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import {
  deterministicId,
  RANDOM,
  refusal,
  TIMERS,
  type ClusterId,
  type Random,
  type Refusal,
  type Timers,
} from '#kernel';
import { SECRET_STORE, claimName, type SecretStore } from '#access';
import {
  COMMAND_DISPATCHER,
  TRANSACTOR,
  type CommandContext,
  type CommandDispatcher,
  type CommandResult,
  type Transactor,
} from '#processing';
import { ReserveVirtualIp } from '#sdwan';
import { networkProfile, selectCni } from '../domain/cni.js';
import { ClaimCluster } from './commands.js';
import { Clusters } from './clusters.js';
import { derive } from './derive.js';
import { KubernetesDirectory, type AssignedModule, type KnownInstance, type KnownPeer } from './directory.js';
import { joinRefusals } from './join-refusals.js';
import { passClaim } from './pass-claim.js';

const MAX_NAME_TRIES = 50;
const DIRECTORY_BOUND_MS = 2_000;

/**
 * The first instance of an assignment that is ready for it claims the cluster; everybody else finds it claimed and joins.
 * The VIP is reserved before the claim, so that it can stand in --tls-san before the first start.
 */
@CommandHandler(ClaimCluster)
export class ClaimClusterHandler implements ICommandHandler<ClaimCluster> {
  readonly clusters: Clusters;

  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(COMMAND_DISPATCHER) private readonly dispatcher: CommandDispatcher,
    @Inject(TIMERS) private readonly timers: Timers,
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
    @Inject(RANDOM) private readonly random: Random,
    readonly directory: KubernetesDirectory,
  ) {
    this.clusters = new Clusters(transactor);
  }

  async execute({ payload, context }: ClaimCluster): Promise<CommandResult<{ cluster_id: ClusterId } | null>> {
    // Gone again (terminated, detached, unassigned) within the bound: the process manager asks anew when that changes.
    const found = await this.directory.until(() => this.claimant(payload), this.timers, DIRECTORY_BOUND_MS);
    if (found === undefined) return { kind: 'done', value: null };
    const { instance, module, peer } = found;
    const clusterId = await this.nextClusterId(payload.assignment_id);
    const existing = await this.clusters.read(clusterId);
    if (existing !== undefined) {
      const gone = !this.directory.instances.has(existing.claimant);
      if (gone) await passClaim(this, existing, `${existing.claimant} is gone`, context);
      return { kind: 'done', value: { cluster_id: clusterId } };
    }
    const cni = selectCni(instance.cniPlugin ?? pluginOf(module), networkProfile(instance.memoryBytes));
    if (!cni.ok) {
      await this.recordRefusal(instance.id, cni.refusal, context);
      return { kind: 'refused', refusal: cni.refusal };
    }
    return this.claim(clusterId, instance, module, peer, cni.plugin, context);
  }

  private claimant({ instance_id, assignment_id }: ClaimCluster['payload']) {
    const instance = this.directory.instances.get(instance_id);
    const module = instance?.modules.get(assignment_id);
    const peer = this.directory.peerOf(instance_id);
    if (instance === undefined || module === undefined || peer === undefined) return undefined;
    return this.directory.suspended.has(assignment_id) ? undefined : { instance, module, peer };
  }

  private async claim(
    clusterId: ClusterId,
    instance: KnownInstance,
    module: AssignedModule,
    peer: KnownPeer,
    cni: 'flannel' | 'ovn_kubernetes',
    context: CommandContext,
  ): Promise<CommandResult<{ cluster_id: ClusterId } | null>> {
    const name = await this.claimFreeName(clusterId, instance.accountId, module, context);
    if (typeof name !== 'string') return { kind: 'refused', refusal: name };
    const vip = await this.reserve(clusterId, name, peer, context);
    const prefix = this.directory.networks.get(peer.networkId)?.podSubnetPrefix ?? null;
    const datastore = await this.datastore(clusterId, instance.id, module);
    const done = await this.clusters.apply(
      clusterId,
      {
        type: 'claim',
        claim: {
          cluster_id: clusterId,
          name,
          assignment_id: module.assignmentId,
          template_id: module.templateId as never,
          claimant_instance_id: instance.id as never,
          network_id: peer.networkId as never,
          virtual_ip_id: (vip?.virtual_ip_id ?? null) as never,
          vip: vip?.address ?? null,
          cni_plugin: cni,
          pod_cidr: cni === 'flannel' ? prefix : null,
          ...datastore,
        },
        ignoredPodPrefix: cni === 'flannel' ? null : prefix,
      },
      derive(context, 'claim'),
    );
    return { kind: 'done', value: { cluster_id: clusterId }, position: done.position };
  }

  /**
   * K3s encrypts what it keeps in an external datastore with the token: all servers must have the same one, also the second
   * when the first never got beyond its start. It is made here, before anything starts; the winner's counts.
   */
  private async datastore(clusterId: ClusterId, instanceId: string, module: AssignedModule) {
    const endpoint = module.config['datastore_endpoint_ref'];
    if (typeof endpoint !== 'string') return {};
    const token = Buffer.from(this.random.bytes(24)).toString('hex');
    const { ref } = await this.secrets.put(clusterId, `first_server_token.${instanceId}`, token);
    return { datastore: 'external' as const, datastore_ref: endpoint, server_token_ref: ref };
  }

  /** One living cluster an assignment; after a decommission the same assignment makes the next one. */
  private async nextClusterId(assignmentId: string): Promise<ClusterId> {
    for (let n = 1; ; n++) {
      const id = deterministicId('cluster', assignmentId, n);
      const cluster = await this.clusters.read(id);
      if (cluster?.status !== 'decommissioned') return id;
    }
  }

  private async claimFreeName(
    clusterId: ClusterId,
    accountId: string,
    module: AssignedModule,
    context: CommandContext,
  ): Promise<string | Refusal> {
    const wished = module.config['cluster_name'];
    for (let n = 1; n <= MAX_NAME_TRIES; n++) {
      const name = typeof wished === 'string' && wished !== '' ? wished : `k3s-cluster-${n}`;
      const done = await claimName(
        this.transactor,
        { kind: 'cluster', name, id: clusterId },
        { ...context, accountId },
      );
      if (done.kind !== 'refused') return name;
      if (name === wished) return done.refusal;
    }
    return refusal(409, 'no_free_cluster_name', `k3s-cluster-1 to k3s-cluster-${MAX_NAME_TRIES} are all taken`, {
      field: 'config.cluster_name',
      hint: 'name the cluster in the k3s-server assignment: config {cluster_name}',
    });
  }

  /** Without a VIP the cluster still comes up, on the instance's own address and with `failover: none`. */
  private async reserve(clusterId: ClusterId, clusterName: string, peer: KnownPeer, context: CommandContext) {
    const result = await this.dispatcher.dispatch(
      new ReserveVirtualIp(
        {
          network_id: peer.networkId,
          name: `${clusterName}-api`,
          purpose: 'k3s_api_endpoint',
          cluster_id: clusterId,
        },
        derive(context, 'reserve_vip'),
      ),
    );
    return result.kind === 'done' ? result.value : undefined;
  }

  private async recordRefusal(instanceId: string, refused: Refusal, context: CommandContext): Promise<void> {
    const command = { instanceId, target: null, refusal: refused, candidates: [] };
    await this.transactor.transact(instanceId, joinRefusals, command, derive(context, 'refused'));
  }
}

/** The assignment's wish; an instance that was provisioned with another one has its own. */
const pluginOf = (module: AssignedModule): 'flannel' | 'ovn_kubernetes' | null => {
  const wished = module.config['cni_plugin'];
  return wished === 'flannel' || wished === 'ovn_kubernetes' ? wished : null;
};

import { Inject, Injectable } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { CONFIG, LOG, RANDOM, refusal, TIMERS, type Config, type Log, type Random, type Timers } from '#kernel';
import { SECRET_STORE, type SecretStore } from '#access';
import { AGENT_LINK, type AgentLink } from '#agent-gateway';
import { TRANSACTOR, type CommandContext, type CommandResult, type Transactor } from '#processing';
import {
  policyDecider,
  policyStream,
  snapshotDecider,
  type Snapshot,
  type SnapshotEvent,
} from '../../domain/snapshots/decide.js';
import * as events from '../../domain/snapshots/events.js';
import type { Cluster } from '../../domain/cluster/state.js';
import { apiSaid } from '../api-said.js';
import { Clusters } from '../clusters.js';
import { derive } from '../derive.js';
import { KubernetesDirectory } from '../directory.js';
import { KubeApis } from '../kube-api.js';
import { FailSnapshot, RequestSnapshot, SaveSnapshot, SetSnapshotPolicy } from './commands.js';
import { SnapshotCopies } from './copies.js';
import { NodeChannel, SnapshotTooLarge } from './node-channel.js';
import { SnapshotApi } from './supervisor.js';

const done: CommandResult<void> = { kind: 'done', value: undefined };
const later = (reason: string): CommandResult<void> => ({
  kind: 'refused',
  refusal: refusal(503, 'snapshot_not_possible_now', reason),
});

/** A snapshot that is written down with another token than it was made with cannot be restored: it is made later instead. */
const mustKnowToken = (before: Cluster, now: Cluster | undefined): void => {
  if (now?.serverTokenRef === before.serverTokenRef && now.tokenChange?.phase !== 'chosen') return;
  throw new Error('the server token of the cluster is being changed: the snapshot is made when that has ended');
};

/** What the handlers of snapshots and restores share. */
@Injectable()
export class SnapshotWork {
  readonly clusters: Clusters;
  readonly copies: SnapshotCopies;
  readonly channel: NodeChannel;

  constructor(
    @Inject(TRANSACTOR) readonly transactor: Transactor,
    @Inject(SECRET_STORE) readonly secrets: SecretStore,
    @Inject(AGENT_LINK) readonly link: AgentLink,
    @Inject(KubeApis) readonly apis: KubeApis,
    @Inject(KubernetesDirectory) readonly directory: KubernetesDirectory,
    @Inject(LOG) readonly log: Log,
    @Inject(CONFIG) config: Config,
    @Inject(RANDOM) random: Random,
    @Inject(TIMERS) timers: Timers,
  ) {
    this.clusters = new Clusters(transactor);
    this.copies = new SnapshotCopies(config.DROVER_DATA_DIR, secrets, random);
    this.channel = new NodeChannel(link, timers);
  }

  async record(stream: string, event: SnapshotEvent, context: CommandContext): Promise<CommandResult<void>> {
    const data = event.data as { cluster_id: string; instance_id?: string };
    const links = {
      cluster: data.cluster_id,
      ...(data.instance_id === undefined ? {} : { instance: data.instance_id }),
    };
    const result = await this.transactor.transact(stream, snapshotDecider, { ...event, links }, context);
    if (result.kind === 'refused') return result;
    return result.kind === 'accepted' ? { kind: 'done', value: undefined, position: result.position } : done;
  }

  async snapshot(id: string): Promise<Snapshot> {
    return (await this.transactor.read(id, snapshotDecider))?.state ?? snapshotDecider.initial;
  }

  /** The present one, and the one before where there was another; none before the bootstrap. */
  async serverTokens(cluster: Cluster): Promise<readonly string[]> {
    const refs = [cluster.serverTokenRef, cluster.formerTokenRef].filter((ref) => ref !== null);
    const found = await Promise.all(refs.map((ref) => this.secrets.get(ref)));
    return found.filter((token) => token !== undefined);
  }

  /** The API of one server: a snapshot is a file on the server that made it. */
  api(cluster: Cluster, instanceId: string, serverTokens: readonly string[]): SnapshotApi {
    const target = { clusterName: cluster.name, kubeconfigRef: cluster.kubeconfigRef!, servers: [instanceId] };
    return new SnapshotApi(this.apis, target, serverTokens);
  }
}

@CommandHandler(RequestSnapshot)
export class RequestSnapshotHandler implements ICommandHandler<RequestSnapshot> {
  constructor(private readonly work: SnapshotWork) {}

  execute({ payload, context }: RequestSnapshot): Promise<CommandResult<void>> {
    return this.work.record(payload.snapshot_id, events.SnapshotRequested(payload), context);
  }
}

@CommandHandler(FailSnapshot)
export class FailSnapshotHandler implements ICommandHandler<FailSnapshot> {
  constructor(private readonly work: SnapshotWork) {}

  async execute({ payload, context }: FailSnapshot): Promise<CommandResult<void>> {
    const { clusterId } = await this.work.snapshot(payload.snapshot_id);
    return this.work.record(
      payload.snapshot_id,
      events.SnapshotFailed({ ...payload, cluster_id: clusterId as never }),
      context,
    );
  }
}

@CommandHandler(SetSnapshotPolicy)
export class SetSnapshotPolicyHandler implements ICommandHandler<SetSnapshotPolicy> {
  constructor(private readonly work: SnapshotWork) {}

  async execute({ payload, context }: SetSnapshotPolicy): Promise<CommandResult<void>> {
    const set = events.SnapshotPolicySet(payload, { links: { cluster: payload.cluster_id } });
    const stream = policyStream(payload.cluster_id);
    const result = await this.work.transactor.transact(stream, policyDecider, set as never, context);
    if (result.kind === 'refused') return result;
    return result.kind === 'accepted' ? { kind: 'done', value: undefined, position: result.position } : done;
  }
}

/** Refused, and so tried again, while no server can make or hand over a snapshot. */
@CommandHandler(SaveSnapshot)
export class SaveSnapshotHandler implements ICommandHandler<SaveSnapshot> {
  constructor(private readonly work: SnapshotWork) {}

  async execute({ payload: { snapshot_id }, context }: SaveSnapshot): Promise<CommandResult<void>> {
    const before = await this.work.snapshot(snapshot_id);
    const cluster = await this.work.clusters.read(before.clusterId);
    if (cluster === undefined || cluster.status === 'decommissioned' || cluster.datastore !== 'etcd')
      return this.fail(snapshot_id, before, 'the cluster has no etcd any more', context);
    const tokens = await this.work.serverTokens(cluster);
    if (tokens.length === 0) return later('the cluster has no server token yet');
    try {
      if (before.status === 'requested') await this.save(snapshot_id, before, cluster, tokens, context);
      const saved = await this.work.snapshot(snapshot_id);
      if (saved.status === 'saved') await this.store(snapshot_id, saved, context);
      return done;
    } catch (error) {
      if (error instanceof SnapshotTooLarge) return this.fail(snapshot_id, before, apiSaid(error), context);
      return later(apiSaid(error));
    }
  }

  private async save(
    id: string,
    before: Snapshot,
    cluster: Cluster,
    tokens: readonly string[],
    context: CommandContext,
  ) {
    mustKnowToken(cluster, cluster);
    const server = Clusters.servers(cluster).find((one) => this.work.link.liveness(one).connected);
    if (server === undefined) throw new Error('no server of the cluster has a connected agent');
    const api = this.work.api(cluster, server, tokens);
    // Made already, when the answer of an earlier try was lost.
    const made = (await api.list()).find((name) => name.startsWith(`${before.name}-`));
    // With which token, nobody knows where it was ever changed.
    const isOfAnyToken = made !== undefined && cluster.tokenChange !== null;
    if (isOfAnyToken) await api.delete(made);
    const file = made === undefined || isOfAnyToken ? await api.save(before.name) : made;
    mustKnowToken(cluster, await this.work.clusters.read(cluster.id));
    const data = {
      snapshot_id: id,
      cluster_id: before.clusterId as never,
      instance_id: server as never,
      file_name: file,
      ...(cluster.serverTokenRef === null ? {} : { server_token_ref: cluster.serverTokenRef }),
    };
    await this.work.record(id, events.SnapshotSaved(data), derive(context, 'saved'));
  }

  private async store(id: string, saved: Snapshot, context: CommandContext): Promise<void> {
    const bytes = this.work.channel.read(saved.instanceId!, saved.fileName!);
    const { size, sha256, storeRef } = await this.work.copies.put(saved.clusterId, id, bytes);
    if (size === 0) throw new Error(`${saved.fileName} is empty`);
    const data = {
      snapshot_id: id,
      cluster_id: saved.clusterId as never,
      size_bytes: size,
      sha256,
      store_ref: storeRef,
    };
    await this.work.record(id, events.SnapshotStored(data), derive(context, 'stored'));
  }

  private fail(id: string, { clusterId }: Snapshot, reason: string, context: CommandContext) {
    const failed = events.SnapshotFailed({ snapshot_id: id, cluster_id: clusterId as never, reason });
    return this.work.record(id, failed, derive(context, 'failed'));
  }
}

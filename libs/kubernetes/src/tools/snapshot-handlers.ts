import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { z } from 'zod';
import {
  CLOCK,
  deterministicUuid,
  isoTime,
  nearest,
  refusal,
  RefusedError,
  type Clock,
  type ClusterId,
  type InstanceId,
} from '#kernel';
import { findInstance } from '#fleet';
import { READ_MODELS, TRANSACTOR, type ReadModels, type Transactor } from '#processing';
import { TOOL_REGISTRAR, type ToolCall, type ToolRegistrar } from '#tools';
import { RequestRestore, RequestSnapshot, SetSnapshotPolicy } from '../application/snapshots/commands.js';
import { nameOf, nextDue } from '../application/snapshots/managers.js';
import { KubernetesDirectory } from '../application/directory.js';
import { nextCron, parseCron } from '../domain/snapshots/cron.js';
import { nextRestore } from '../application/snapshots/restore.handlers.js';
import { policyDecider, policyStream, RESTORE, restoreIsRunning, SNAPSHOT } from '../domain/snapshots/decide.js';
import type { ClusterDoc } from '../projections/clusters.js';
import { snapshotsProjection, type SnapshotDoc } from '../projections/snapshots.js';
import { findCluster } from './find-cluster.js';
import { restoreConditions, snapshotConditions } from './conditions.js';
import * as tools from './snapshot-definitions.js';

const STEPS = 5;

/** The operator's tools for etcd snapshots. */
@Injectable()
export class SnapshotTools implements OnModuleInit {
  constructor(
    @Inject(TOOL_REGISTRAR) private readonly registrar: ToolRegistrar,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(KubernetesDirectory) private readonly directory: KubernetesDirectory,
  ) {}

  onModuleInit(): void {
    this.registrar.add(tools.createSnapshot, async (input, call) => {
      const cluster = await this.etcdCluster(input.cluster_id, call);
      const snapshot_id = `${SNAPSHOT}-${deterministicUuid('snapshot', call.context.commandId)}`;
      const payload = { cluster_id: cluster.id as ClusterId, snapshot_id, name: nameOf(snapshot_id) };
      await call.run(RequestSnapshot, { ...payload, trigger: 'operator' });
      await call.settle(snapshotsProjection);
      return { snapshot: snapshotOutput(await this.doc(snapshot_id, cluster.id, call)) };
    });
    this.registrar.add(tools.listSnapshots, async (input, call) => {
      const cluster = await findCluster(this.readModels, input.cluster_id, call);
      const all = await this.readModels.find(snapshotsProjection, {
        where: { account: call.accountId, cluster_id: cluster.id },
      });
      const newest = [...all].sort((a, b) => b.createdAt.localeCompare(a.createdAt));
      const snapshots = newest.filter(
        (d) => d.kind === 'snapshot' && (input.include_deleted || d.status !== 'deleted'),
      );
      const restores = newest.filter((d) => d.kind === 'restore');
      return {
        snapshots: snapshots.slice(0, input.limit).map(snapshotOutput),
        restores: restores.slice(0, input.limit).map(restoreOutput),
        policy: await this.policy(cluster.id),
      };
    });
    this.registrar.add(tools.setSnapshotPolicy, async (input, call) => {
      const cluster = await this.etcdCluster(input.cluster_id, call);
      const { cron, interval_minutes, retention } = input;
      this.checkSchedule(cron, interval_minutes);
      const policy = { cron: cron ?? null, interval_minutes: interval_minutes ?? null, retention };
      await call.run(SetSnapshotPolicy, { cluster_id: cluster.id as ClusterId, ...policy });
      return { policy: await this.policy(cluster.id) };
    });
    this.registrar.add(tools.restoreSnapshot, async (input, call) => this.restore(input, call));
  }

  private async restore(input: z.output<typeof tools.restoreSnapshot.input>, call: ToolCall) {
    const { force } = input;
    const snapshot = await this.availableSnapshot(input.snapshot_id, call);
    const cluster = await this.etcdCluster(snapshot.clusterId, call);
    const [running] = await this.readModels.find(snapshotsProjection, {
      where: { account: call.accountId, cluster_id: cluster.id, kind: 'restore', status: 'running' },
    });
    if (running !== undefined) throw new RefusedError(restoreIsRunning(running.id));
    const { id } = await findInstance(this.readModels, call.accountId, input.instance_id);
    this.mayServe(cluster, id);
    const others = cluster.nodes
      .filter((n) => n.role === 'server' && n.instanceId !== id)
      .map((n) => n.instanceId as InstanceId);
    const away = others.filter((other) => this.directory.instances.get(other)?.online !== true);
    if (away.length > 0 && !force) throw new RefusedError(serversAway(away));
    const restore_id = await nextRestore(this.transactor, cluster.id);
    const payload = { restore_id, snapshot_id: snapshot.id, cluster_id: cluster.id as ClusterId };
    await call.run(RequestRestore, {
      ...payload,
      instance_id: id as InstanceId,
      other_servers: others,
      ...(force && { force }),
    });
    for (const other of away) call.warn(`${other} is not connected: it is not halted, and must never come back`);
    await call.settle(snapshotsProjection);
    return { restore: restoreOutput(await this.doc(restore_id, cluster.id, call)) };
  }

  /** Restored onto a machine that is not told to run this cluster's servers, the agent would do nothing with it. */
  private mayServe(cluster: ClusterDoc, instanceId: string): void {
    const modules = [...(this.directory.instances.get(instanceId)?.modules.values() ?? [])];
    const server = modules.some(
      (m) =>
        m.name === 'k3s-server' &&
        (m.assignmentId === cluster.assignmentId || cluster.nodes.some((n) => n.instanceId === instanceId)),
    );
    const peer = this.directory.peerOf(instanceId, cluster.networkId);
    if (server && peer !== undefined && this.directory.instances.get(instanceId)?.online === true) return;
    const why = !server
      ? `has no k3s-server module of ${cluster.name}`
      : peer === undefined
        ? 'has no peer on its network'
        : 'is not connected';
    throw new RefusedError(
      refusal(422, 'not_a_server_of_this_cluster', `${instanceId} ${why}`, {
        field: 'instance_id',
        hint: 'provision a node of the template that made the cluster, attach it to the network, and restore onto that',
        candidates: cluster.nodes
          .filter((n) => n.role === 'server')
          .map((n) => ({ id: n.instanceId, ...(n.nodeName === null ? {} : { name: n.nodeName }) })),
      }),
    );
  }

  private async availableSnapshot(wanted: string, call: ToolCall): Promise<SnapshotDoc> {
    const doc = await this.readModels.get(snapshotsProjection, wanted);
    const mine = await this.readModels.find(snapshotsProjection, {
      where: { account: call.accountId, kind: 'snapshot', status: 'available' },
    });
    if (doc?.accountId === call.accountId && doc.kind === 'snapshot') {
      if (doc.status === 'available') return doc;
      throw new RefusedError(
        refusal(409, 'snapshot_not_available', `it is ${doc.status}`, {
          field: 'snapshot_id',
          candidates: mine.slice(0, 20).map(({ id }) => ({ id })),
        }),
      );
    }
    const near = nearest(
      wanted,
      mine.map(({ id }) => id),
    );
    const hint = near === undefined ? 'kubernetes_list_snapshots lists them' : `did you mean ${near}?`;
    throw new RefusedError(
      refusal(404, 'snapshot_not_found', `no snapshot ${JSON.stringify(wanted)}`, { field: 'snapshot_id', hint }),
    );
  }

  private async etcdCluster(wanted: string, call: ToolCall): Promise<ClusterDoc> {
    const cluster = await findCluster(this.readModels, wanted, call);
    const no = (status: 410 | 422, code: string, message: string, hint: string) =>
      new RefusedError(refusal(status, code, message, { field: 'cluster_id', hint }));
    if (cluster.status === 'decommissioned')
      throw no(
        410,
        'cluster_decommissioned',
        `${cluster.name} is decommissioned: the keys of its snapshots are shredded`,
        'kubernetes_list_clusters',
      );
    if (cluster.datastore === 'external')
      throw no(
        422,
        'external_datastore',
        `${cluster.name} keeps its data in a database of yours`,
        'back that database up',
      );
    if (cluster.apiEndpoint === null)
      throw no(422, 'cluster_is_bootstrapping', `${cluster.name} has no datastore yet`, 'call again when it is active');
    return cluster;
  }

  private checkSchedule(cron: string | undefined, interval: number | undefined): void {
    if (cron === undefined) return;
    const no = (message: string, hint: string) =>
      new RefusedError(refusal(422, 'invalid_schedule', message, { field: 'cron', hint }));
    if (interval !== undefined) throw no('cron and interval_minutes exclude each other', 'give one of them');
    const parsed = parseCron(cron);
    if (typeof parsed === 'string') throw no(parsed, '0 3 * * * is every night at three, UTC');
    if (nextCron(parsed, this.clock.wallMs()) === undefined)
      throw no('there is no such day', '0 3 * * * is every night at three, UTC');
  }

  private async policy(clusterId: string): Promise<tools.PolicyOutput> {
    const state = (await this.transactor.read(policyStream(clusterId), policyDecider))?.state ?? policyDecider.initial;
    const due = state.cron === null ? null : nextDue(state, this.clock.wallMs());
    const next_due = due === null ? null : isoTime(due);
    return { cron: state.cron, interval_minutes: state.intervalMinutes, retention: state.retention, next_due };
  }

  private async doc(id: string, clusterId: string, call: ToolCall): Promise<SnapshotDoc> {
    const found = await this.readModels.get(snapshotsProjection, id);
    if (found !== undefined) return found;
    // The read model is behind, and the answer says so.
    const at = isoTime(this.clock.wallMs());
    const kind = id.startsWith(RESTORE) ? ('restore' as const) : ('snapshot' as const);
    return {
      ...{ id, clusterId, kind, accountId: call.accountId, createdAt: at, updatedAt: at, name: nameOf(id) },
      ...{ status: kind === 'restore' ? ('running' as const) : ('requested' as const), trigger: 'operator' as const },
      ...{
        instanceId: null,
        fileName: null,
        sizeBytes: null,
        sha256: null,
        storeRef: null,
        tokenRef: null,
        error: null,
      },
      ...{ snapshotId: null, steps: [], warnings: [] },
    };
  }
}

export const snapshotOutput = (doc: SnapshotDoc): tools.SnapshotOutput => ({
  id: doc.id,
  cluster_id: doc.clusterId,
  status: doc.status as tools.SnapshotOutput['status'],
  trigger: doc.trigger,
  file_name: doc.fileName,
  instance_id: doc.instanceId,
  size_bytes: doc.sizeBytes,
  sha256: doc.sha256,
  error: doc.error,
  created_at: doc.createdAt,
  updated_at: doc.updatedAt,
  ...snapshotConditions(doc),
});

const serversAway = (away: readonly string[]) =>
  refusal(409, 'servers_not_connected', `${away.join(', ')} is not connected, and so cannot be halted`, {
    field: 'force',
    hint: 'with its old data it would be a second cluster: bring it back; or say force=true when it is destroyed; or forget it first, with force where etcd has no quorum (it is refused when it returns)',
    candidates: away.map((id) => ({ id })),
  });

export const restoreOutput = (doc: SnapshotDoc): tools.RestoreOutput => ({
  id: doc.id,
  cluster_id: doc.clusterId,
  snapshot_id: doc.snapshotId ?? '',
  instance_id: doc.instanceId ?? '',
  status: doc.status as tools.RestoreOutput['status'],
  steps: [...doc.steps],
  percent: doc.status === 'completed' ? 100 : Math.round((100 * doc.steps.length) / STEPS),
  warnings: [...doc.warnings],
  error: doc.error,
  created_at: doc.createdAt,
  updated_at: doc.updatedAt,
  ...restoreConditions(doc),
});

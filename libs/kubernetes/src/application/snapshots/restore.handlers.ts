import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { CLOCK, refusal, RefusedError, sleep, TIMERS, type Clock, type Timers, type InstanceId } from '#kernel';
import type { CommandContext, CommandResult, Transactor } from '#processing';
import {
  restoreDecider,
  restoreIsRunning,
  type Restore,
  type Snapshot,
  type SnapshotEvent,
} from '../../domain/snapshots/decide.js';
import * as events from '../../domain/snapshots/events.js';
import { firstTokenOf } from '../../domain/cluster/token-change.js';
import type { Cluster } from '../../domain/cluster/state.js';
import { apiSaid } from '../api-said.js';
import { derive } from '../derive.js';
import { problemOf } from '../node-conditions.js';
import { endedByRestore, endRotation, lastRestore, refusedByRollout, rolloutUnderWay } from '../operations.js';
import { FailRestore, RequestRestore, RunRestore } from './commands.js';
import { SnapshotWork } from './snapshot.handlers.js';

const done: CommandResult<void> = { kind: 'done', value: undefined };
/** K3s on a restored datastore of some size; after that the try counts as failed and is made again. */
const API_BOUND_MS = 5 * 60_000;
const POLL_MS = 1_000;

const record = async (
  work: SnapshotWork,
  id: string,
  event: SnapshotEvent,
  context: CommandContext,
): Promise<CommandResult<void>> => {
  const data = event.data as { cluster_id: string };
  const result = await work.transactor.transact(
    id,
    restoreDecider,
    { ...event, links: { cluster: data.cluster_id } },
    context,
  );
  if (result.kind === 'refused') return result;
  return result.kind === 'accepted' ? { kind: 'done', value: undefined, position: result.position } : done;
};

/** The id of the cluster's next restore; thrown when one is under way. */
export const nextRestore = async (transactor: Pick<Transactor, 'read'>, clusterId: string): Promise<string> => {
  const { id, running } = await lastRestore(transactor, clusterId);
  if (running) throw new RefusedError(restoreIsRunning(id));
  return id;
};

/** What the datastore in the snapshot is encrypted with: the server token of the time that it was made. */
const tokenOf = async (work: Pick<SnapshotWork, 'secrets'>, cluster: Cluster, snapshot: Snapshot) => {
  const tokenRef = snapshot.tokenRef ?? firstTokenOf(cluster);
  const token = tokenRef === null ? undefined : await work.secrets.get(tokenRef);
  return tokenRef === null || token === undefined ? undefined : { tokenRef, token };
};

const tokenIsGone = (snapshotId: string) =>
  refusal(410, 'snapshot_token_gone', `the server token that ${snapshotId} was made under is not in the secret store`, {
    field: 'snapshot_id',
    hint: 'restore a snapshot that was made later; kubernetes_list_snapshots lists them',
  });

@CommandHandler(RequestRestore)
export class RequestRestoreHandler implements ICommandHandler<RequestRestore> {
  constructor(private readonly work: SnapshotWork) {}

  async execute({ payload, context }: RequestRestore): Promise<CommandResult<void>> {
    const rollout = await rolloutUnderWay(this.work.transactor, payload.cluster_id);
    if (rollout !== undefined && !endedByRestore(rollout))
      return { kind: 'refused', refusal: refusedByRollout(rollout) };
    // Before anything is halted: a snapshot is of no use without the token that it was made under.
    const cluster = await this.work.clusters.read(payload.cluster_id);
    const known = cluster && (await tokenOf(this.work, cluster, await this.work.snapshot(payload.snapshot_id)));
    if (known === undefined) return { kind: 'refused', refusal: tokenIsGone(payload.snapshot_id) };
    const request = events.RestoreRequested({ ...payload, other_servers: [...payload.other_servers] });
    return record(this.work, payload.restore_id, request, context);
  }
}

@CommandHandler(FailRestore)
export class FailRestoreHandler implements ICommandHandler<FailRestore> {
  constructor(private readonly work: SnapshotWork) {}

  async execute({ payload: { restore_id, reason }, context }: FailRestore): Promise<CommandResult<void>> {
    const { request } = (await this.work.transactor.read(restore_id, restoreDecider))?.state ?? restoreDecider.initial;
    if (request === null) return done;
    const next_action =
      'its servers stay halted, so that no older data come up: look at the reason, then kubernetes_restore_snapshot again';
    const failed = events.RestoreFailed({ restore_id, cluster_id: request.cluster_id, reason, next_action });
    return record(this.work, restore_id, failed, context);
  }
}

type Step = Parameters<typeof events.RestoreProgress>[0]['step'];

interface Run {
  readonly id: string;
  readonly request: NonNullable<Restore['request']>;
  readonly cluster: Cluster;
  readonly snapshot: Snapshot;
  readonly token: string;
  readonly tokenRef: string;
  readonly context: CommandContext;
  readonly warnings: string[];
}

/** Refused, and so tried again from the first step that is not done, when a step is not possible now. */
@CommandHandler(RunRestore)
export class RunRestoreHandler implements ICommandHandler<RunRestore> {
  constructor(
    private readonly work: SnapshotWork,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TIMERS) private readonly timers: Timers,
  ) {}

  async execute({ payload: { restore_id: id }, context }: RunRestore): Promise<CommandResult<void>> {
    const state = (await this.work.transactor.read(id, restoreDecider))?.state;
    if (state?.status !== 'running' || state.request === null) return done;
    const { request } = state;
    const cluster = await this.work.clusters.read(request.cluster_id);
    const snapshot = await this.work.snapshot(request.snapshot_id);
    const known = cluster && (await tokenOf(this.work, cluster, snapshot));
    if (cluster === undefined || known === undefined)
      return { kind: 'refused', refusal: refusal(410, 'cluster_gone', 'the cluster or its secrets are gone') };
    const run: Run = { id, request, cluster, snapshot, ...known, context, warnings: [] };
    try {
      // Begun in the same moment as this: nothing is halted yet, so the restore is the one that waits.
      const rollout = await rolloutUnderWay(this.work.transactor, cluster.id);
      if (rollout !== undefined && state.steps.length === 0 && !endedByRestore(rollout))
        throw new Error(refusedByRollout(rollout).message);
      await this.member(run);
      const step = async (name: Step, act: () => Promise<string>) => {
        if (!state.steps.includes(name)) await this.tell(run, name, await act());
      };
      await step('servers_halted', () => this.halt(run));
      // Not before: a restore that halted nothing and fails leaves a rotation that can go on. Nothing else goes on meanwhile.
      if (rollout !== undefined) await endRotation(this.work.transactor, rollout, derive(context, 'rotation'));
      await step('snapshot_copied', () => this.copy(run));
      await step('datastore_restored', () => this.restore(run));
      await step('api_ready', () => this.api(run));
      await step('servers_rejoining', () => this.rejoin(run));
      const { warnings } = run;
      const completed = events.RestoreCompleted({ restore_id: id, cluster_id: request.cluster_id, warnings });
      return await record(this.work, id, completed, derive(context, 'completed'));
    } catch (error) {
      return { kind: 'refused', refusal: refusal(503, 'restore_not_possible_now', apiSaid(error)) };
    }
  }

  /** A machine that takes over is no member yet; from here on it is one that joins. */
  private async member({ cluster, request, context }: Run): Promise<void> {
    if (cluster.nodes.has(request.instance_id)) return;
    const join = {
      type: 'request_join',
      instanceId: request.instance_id,
      role: 'server',
      target: null,
      restoring: true,
    } as const;
    await this.work.clusters.apply(cluster.id, join, derive(context, 'member'));
  }

  private async halt(run: Run): Promise<string> {
    const { id, request } = run;
    const isAway = (server: InstanceId): boolean => !this.work.link.liveness(server).connected;
    const away = request.other_servers.filter(isAway);
    // One that comes back with the old data would be a second cluster.
    if (away.length > 0 && request.force !== true)
      throw new Error(`${away.join(', ')} must be connected, to be halted`);
    for (const server of request.other_servers)
      if (!away.includes(server)) await this.work.channel.ask(server, { op: 'halt', id });
    await this.work.channel.ask(request.instance_id, { op: 'halt', id });
    if (away.length === 0) return `${request.other_servers.length + 1} servers are halted`;
    return `not connected, and so not halted: ${away.join(', ')}`;
  }

  private async copy({ request, snapshot }: Run): Promise<string> {
    const { clusterId, fileName, sizeBytes, sha256, storeRef } = snapshot;
    const bytes = this.work.copies.read(clusterId, request.snapshot_id, storeRef!);
    const write = { op: 'write', file: fileName!, size: sizeBytes!, sha256: sha256! } as const;
    await this.work.channel.ask(request.instance_id, write, bytes);
    return `${sizeBytes} bytes, ${sha256}`;
  }

  private async restore({ id, request, snapshot, token, tokenRef, context }: Run): Promise<string> {
    const { instance_id, cluster_id } = request;
    await this.work.channel.ask(instance_id, { op: 'restore', id, file: snapshot.fileName!, cluster_id, token });
    // The cluster has the token again that it had then, and the others join with that.
    const restored = { type: 'token_restored', ref: tokenRef } as const;
    await this.work.clusters.apply(cluster_id, restored, derive(context, 'token'));
    return snapshot.fileName!;
  }

  private async api({ cluster, request }: Run): Promise<string> {
    const name = this.work.directory.instances.get(request.instance_id)?.name ?? '';
    const deadline = this.clock.monotonicMs() + API_BOUND_MS;
    for (let last = 'it did not answer'; ;) {
      try {
        const target = {
          clusterName: cluster.name,
          kubeconfigRef: cluster.kubeconfigRef!,
          servers: [request.instance_id],
        };
        const api = await this.work.apis.open(target);
        try {
          const problem = problemOf(await api.core.readNode({ name }));
          if (problem === undefined) return `${name} is Ready`;
          last = problem;
        } finally {
          await api.close();
        }
      } catch (error) {
        last = apiSaid(error);
      }
      if (this.clock.monotonicMs() >= deadline) throw new Error(`the API of ${name}: ${last}`);
      await sleep(this.timers, POLL_MS);
    }
  }

  /** The others' data are of before: they are set aside, and each joins the restored cluster. */
  private async rejoin({ id, request, warnings }: Run): Promise<string> {
    const rejoining: string[] = [];
    for (const server of request.other_servers) {
      try {
        await this.work.channel.ask(server, { op: 'rejoin', id });
        rejoining.push(server);
      } catch (error) {
        warnings.push(
          `${server} still has data of before the restore (${apiSaid(error)}): system_forget_instance it, or it may come up with them`,
        );
      }
    }
    return rejoining.length === 0 ? 'there are no others' : rejoining.join(', ');
  }

  private async tell({ id, request, context }: Run, step: Step, detail: string): Promise<void> {
    const { cluster_id } = request;
    const progress = events.RestoreProgress({ restore_id: id, cluster_id, step, detail });
    await record(this.work, id, progress, { ...derive(context, step), nowMs: this.clock.wallMs() });
  }
}

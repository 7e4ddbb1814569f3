import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { Position } from '#event-store';
import { isoTime, LOG, refusal, RefusedError, uuidOf, type Log, type Refusal } from '#kernel';
import { TRANSACTOR, type CommandContext, type CommandResult, type Transacted, type Transactor } from '#processing';
import type { Cluster } from '../../domain/cluster/state.js';
import {
  kubeconfigDecider,
  type IssuedKubeconfig,
  type KubeconfigEvent,
  type RevokeReason,
} from '../../domain/kubeconfigs/decide.js';
import { apiSaid } from '../api-said.js';
import { Clusters } from '../clusters.js';
import { derive } from '../derive.js';
import { KubeApis, type KubeApi } from '../kube-api.js';
import { grantAccess, kubeconfigWith, withdrawAccess } from './cluster-access.js';
import { IssueKubeconfig, RevokeKubeconfig, type ShownKubeconfig } from './commands.js';

const openApi = (apis: KubeApis, cluster: Cluster): Promise<KubeApi> =>
  apis.open({
    clusterName: cluster.name,
    kubeconfigRef: cluster.kubeconfigRef!,
    servers: Clusters.servers(cluster),
  });

/** What the API server said is the tenant's, and may be long; it names no token. */
const apiRefusal = (name: string, error: unknown): Refusal => {
  if (error instanceof RefusedError) return error.refusal;
  const code = (error as { code?: unknown }).code;
  const said = typeof code === 'number' ? `HTTP ${code}` : apiSaid(error, 200);
  const hint = 'call again; kubernetes_get_cluster says how the cluster is';
  return refusal(503, 'kubernetes_api_failed', `the Kubernetes API of ${name} did not do it: ${said}`, { hint });
};

const notUsable = (cluster: Cluster | undefined): Refusal | undefined => {
  if (cluster === undefined) return refusal(404, 'cluster_not_found', 'there is no such cluster');
  const field = 'cluster_id';
  if (cluster.status === 'decommissioned')
    return refusal(410, 'cluster_decommissioned', `${cluster.name} is decommissioned`, { field });
  if (cluster.kubeconfigRef !== null && cluster.apiEndpoint !== null && cluster.caPem !== null) return undefined;
  const hint = 'call again when the cluster is active';
  return refusal(422, 'kubeconfig_not_yet_available', `${cluster.name} is ${cluster.status}`, { field, hint });
};

const notIssued = (name: string, why: string): CommandResult<never> => {
  const hint = 'call again under another idempotency_key';
  const message = `the kubeconfig of ${name} was not issued: ${why}`;
  return { kind: 'refused', refusal: refusal(410, 'issue_failed', message, { hint }) };
};

const saidNo = (name: string, error: unknown): CommandResult<never> => ({
  kind: 'refused',
  refusal: apiRefusal(name, error),
});

const accountOf = (issueId: string): string => `drover-kubeconfig-${uuidOf(issueId)}`;

type Wish = IssueKubeconfig['payload'];
type Issued = CommandResult<ShownKubeconfig>;
type Recorded = Transacted<IssuedKubeconfig | null, KubeconfigEvent>;

const positionOf = ({ position }: { readonly position?: Position }) => (position === undefined ? {} : { position });

/** That it did not answer, or not now, may be otherwise the next time; these it says again. */
const isLasting = (error: unknown): boolean => {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'number' && code >= 400 && code < 500 && ![401, 408, 409, 425, 429].includes(code);
};
/** What is on its way up refuses things too: its roles are not there at once. */
const PATIENCE_MS = 300_000;

const TAKEN_BACK = 'it was taken back before anybody was told';

const whyOver = (state: IssuedKubeconfig | null, nowMs: number): string | undefined => {
  if (state === null || nowMs >= Date.parse(state.expiresAt))
    return 'its Kubernetes API did not do it before it would have expired';
  if (state.failed !== undefined) return state.failed;
  return state.revoked !== null || state.ordered === true ? TAKEN_BACK : undefined;
};

@CommandHandler(IssueKubeconfig)
export class IssueKubeconfigHandler implements ICommandHandler<IssueKubeconfig> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(LOG) private readonly log: Log,
    private readonly apis: KubeApis,
  ) {}

  async execute({ payload, context }: IssueKubeconfig): Promise<Issued> {
    const cluster = await new Clusters(this.transactor).read(payload.cluster_id);
    const no = notUsable(cluster);
    if (no !== undefined) return { kind: 'refused', refusal: no };
    return payload.untold === true ? this.untold(cluster!, payload, context) : this.atOnce(cluster!, payload, context);
  }

  /** Told now, or taken back. */
  private async atOnce(cluster: Cluster, wish: Wish, context: CommandContext): Promise<Issued> {
    const api = await openApi(this.apis, cluster);
    try {
      const done = await this.record(wish, context);
      if (done.kind === 'refused') return done;
      if (done.kind === 'accepted') return await this.grant(api, cluster, wish, done);
      if (done.state?.revoked === 'issue_failed') return notIssued(cluster.name, 'its Kubernetes API failed');
      const expiresAt = done.state?.expiresAt ?? isoTime(context.nowMs);
      return { kind: 'done', value: { kubeconfig: null, expiresAt }, ...positionOf(done) };
    } catch (error) {
      await this.takeBack(api, wish.issue_id, context);
      return saidNo(cluster.name, error);
    } finally {
      await api.close();
    }
  }

  /**
   * Of an approved call, which is made again and again until its answer is sealed: a trouble of the API takes nothing back. It is recorded
   * before the API is looked for, so that it has an end, and is cleaned up then, however long the cluster is away.
   */
  private async untold(cluster: Cluster, wish: Wish, context: CommandContext): Promise<Issued> {
    const done = await this.record(wish, context);
    if (done.kind === 'refused') return done;
    const why = whyOver(done.state, context.nowMs);
    if (why !== undefined) return notIssued(cluster.name, why);
    const api = await openApi(this.apis, cluster);
    try {
      const granted = await this.grant(api, cluster, wish, done);
      // Whoever cleaned up meanwhile may have done so before there was anything to clean up.
      const now = (await this.transactor.read(wish.issue_id, kubeconfigDecider))?.state ?? null;
      if (now?.revoked === null) return granted;
      await withdrawAccess(api, accountOf(wish.issue_id));
      return notIssued(cluster.name, TAKEN_BACK);
    } catch (error) {
      const issuedMs = Date.parse(done.state!.expiresAt) - wish.ttl_seconds * 1_000;
      if (!isLasting(error) || context.nowMs - issuedMs < PATIENCE_MS) return saidNo(cluster.name, error);
      const reason = apiSaid(error, 300);
      const failed = { type: 'issue_failed', reason } as const;
      await this.transactor.transact(wish.issue_id, kubeconfigDecider, failed, derive(context, 'issue_refused'));
      return notIssued(cluster.name, reason);
    } finally {
      await api.close();
    }
  }

  private record(wish: Wish, context: CommandContext): Promise<Recorded> {
    const { issue_id: issueId, cluster_id: clusterId, role, ttl_seconds } = wish;
    const expiresAt = isoTime(context.nowMs + ttl_seconds * 1_000);
    const issue = { type: 'issue', issueId, clusterId, operator: context.actor.id, role } as const;
    const command = { ...issue, serviceAccount: accountOf(issueId), expiresAt };
    return this.transactor.transact(issueId, kubeconfigDecider, command, context);
  }

  private async grant(api: KubeApi, cluster: Cluster, wish: Wish, done: Exclude<Recorded, { kind: 'refused' }>) {
    const { issue_id, role, ttl_seconds: ttlSeconds } = wish;
    const granted = await grantAccess(api, { serviceAccount: accountOf(issue_id), role, ttlSeconds });
    const { name, caPem, apiEndpoint } = cluster;
    const kubeconfig = kubeconfigWith({ name, caPem: caPem!, server: apiEndpoint! }, granted.bearer);
    // The API server may grant less than was asked for.
    const until = Math.min(granted.expiresAtMs, Date.parse(done.state!.expiresAt));
    return { kind: 'done', value: { kubeconfig, expiresAt: isoTime(until) }, ...positionOf(done) } as const;
  }

  /** What cannot be taken back now is taken back when it expires; its token was told to nobody. */
  private async takeBack(api: KubeApi, issueId: string, context: CommandContext): Promise<void> {
    try {
      await withdrawAccess(api, accountOf(issueId));
      const revoke = { type: 'revoke', reason: 'issue_failed' } as const;
      await this.transactor.transact(issueId, kubeconfigDecider, revoke, derive(context, 'issue_failed'));
    } catch (error) {
      this.log.warn({ issue: issueId, error: apiSaid(error) }, 'a kubeconfig that failed is not cleaned up yet');
    }
  }
}

@CommandHandler(RevokeKubeconfig)
export class RevokeKubeconfigHandler implements ICommandHandler<RevokeKubeconfig> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    private readonly apis: KubeApis,
  ) {}

  async execute({ payload: { issue_id, reason }, context }: RevokeKubeconfig): Promise<CommandResult<void>> {
    const issued = (await this.transactor.read(issue_id, kubeconfigDecider))?.state ?? null;
    if (issued === null || issued.revoked !== null) return { kind: 'done', value: undefined };
    const cluster = await new Clusters(this.transactor).read(issued.clusterId);
    // Its K3s is stopped and its keys are shredded: there is nothing left that would take the token, or could be told.
    const gone = cluster === undefined || cluster.status === 'decommissioned';
    if (!gone) {
      try {
        const api = await openApi(this.apis, cluster);
        await withdrawAccess(api, issued.serviceAccount).finally(() => api.close());
      } catch (error) {
        if (isLasting(error)) {
          const stuck = { type: 'withdrawal_stuck', reason: apiSaid(error, 300) } as const;
          await this.transactor.transact(issue_id, kubeconfigDecider, stuck, derive(context, 'withdrawal_stuck'));
        }
        return { kind: 'refused', refusal: apiRefusal(cluster.name, error) };
      }
    }
    const why: RevokeReason = gone ? 'cluster_decommissioned' : reason;
    const done = await this.transactor.transact(issue_id, kubeconfigDecider, { type: 'revoke', reason: why }, context);
    if (done.kind === 'refused') return done;
    return { kind: 'done', value: undefined, ...(done.position === undefined ? {} : { position: done.position }) };
  }
}

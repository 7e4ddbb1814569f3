import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { isoTime, LOG, refusal, RefusedError, uuidOf, type Log, type Refusal } from '#kernel';
import { TRANSACTOR, type CommandContext, type CommandResult, type Transactor } from '#processing';
import type { Cluster } from '../../domain/cluster/state.js';
import { kubeconfigDecider, type RevokeReason } from '../../domain/kubeconfigs/decide.js';
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

const failedBefore = (name: string): Refusal => {
  const hint = 'call again under another idempotency_key';
  return refusal(410, 'issue_failed', `the kubeconfig of ${name} was not issued: its Kubernetes API failed`, { hint });
};

@CommandHandler(IssueKubeconfig)
export class IssueKubeconfigHandler implements ICommandHandler<IssueKubeconfig> {
  constructor(
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(LOG) private readonly log: Log,
    private readonly apis: KubeApis,
  ) {}

  async execute({ payload, context }: IssueKubeconfig): Promise<CommandResult<ShownKubeconfig>> {
    const { issue_id: issueId, cluster_id: clusterId, role, ttl_seconds: ttlSeconds } = payload;
    const cluster = await new Clusters(this.transactor).read(clusterId);
    const no = notUsable(cluster);
    if (no !== undefined) return { kind: 'refused', refusal: no };
    const serviceAccount = `drover-kubeconfig-${uuidOf(issueId)}`;
    const api = await openApi(this.apis, cluster!);
    try {
      const expiresAt = isoTime(context.nowMs + ttlSeconds * 1_000);
      const issue = { type: 'issue', issueId, clusterId, operator: context.actor.id, role } as const;
      const command = { ...issue, serviceAccount, expiresAt };
      const done = await this.transactor.transact(issueId, kubeconfigDecider, command, context);
      if (done.kind === 'refused') return done;
      const position = done.position === undefined ? {} : { position: done.position };
      if (done.kind === 'nothing' && done.state?.revoked === 'issue_failed')
        return { kind: 'refused', refusal: failedBefore(cluster!.name) };
      if (done.kind === 'nothing' && !(payload.untold === true && done.state?.revoked === null))
        return {
          kind: 'done',
          value: { kubeconfig: null, expiresAt: done.state?.expiresAt ?? expiresAt },
          ...position,
        };
      const granted = await grantAccess(api, { serviceAccount, role, ttlSeconds });
      const { name, caPem, apiEndpoint } = cluster!;
      const kubeconfig = kubeconfigWith({ name, caPem: caPem!, server: apiEndpoint! }, granted.bearer);
      // The API server may grant less than was asked for.
      const until = Math.min(granted.expiresAtMs, Date.parse(expiresAt));
      return { kind: 'done', value: { kubeconfig, expiresAt: isoTime(until) }, ...position };
    } catch (error) {
      await this.takeBack(api, issueId, serviceAccount, context);
      return { kind: 'refused', refusal: apiRefusal(cluster!.name, error) };
    } finally {
      await api.close();
    }
  }

  /** What cannot be taken back now is taken back when it expires; its token was told to nobody. */
  private async takeBack(api: KubeApi, issueId: string, account: string, context: CommandContext): Promise<void> {
    try {
      await withdrawAccess(api, account);
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
        return { kind: 'refused', refusal: apiRefusal(cluster.name, error) };
      }
    }
    const why: RevokeReason = gone ? 'cluster_decommissioned' : reason;
    const done = await this.transactor.transact(issue_id, kubeconfigDecider, { type: 'revoke', reason: why }, context);
    if (done.kind === 'refused') return done;
    return { kind: 'done', value: undefined, ...(done.position === undefined ? {} : { position: done.position }) };
  }
}

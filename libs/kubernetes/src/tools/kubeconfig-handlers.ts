import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CLOCK, deterministicUuid, nearest, refusal, RefusedError, type Clock, type ClusterId } from '#kernel';
import { READ_MODELS, TRANSACTOR, type ReadModels, type Transactor } from '#processing';
import { TOOL_REGISTRAR, type ToolCall, type ToolRegistrar } from '#tools';
import { IssueKubeconfig, RevokeKubeconfig } from '../application/kubeconfigs/commands.js';
import { KUBECONFIG, kubeconfigDecider } from '../domain/kubeconfigs/decide.js';
import { kubeconfigsProjection, type KubeconfigDoc } from '../projections/kubeconfigs.js';
import { kubeconfigConditions } from './conditions.js';
import { findCluster } from './find-cluster.js';
import * as tools from './kubeconfig-definitions.js';

/** The operator's tools for kubeconfigs that end by themselves. */
@Injectable()
export class KubeconfigTools implements OnModuleInit {
  constructor(
    @Inject(TOOL_REGISTRAR) private readonly registrar: ToolRegistrar,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
    @Inject(TRANSACTOR) private readonly transactor: Transactor,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.registrar.add(tools.issueKubeconfig, async ({ cluster_id, role, ttl_seconds }, call) => {
      const cluster = await findCluster(this.readModels, cluster_id, call);
      const issue_id = `${KUBECONFIG}-${deterministicUuid('kubeconfig', call.context.commandId)}`;
      const untold = call.chance !== undefined;
      const payload = { issue_id, cluster_id: cluster.id as ClusterId, role, ttl_seconds, untold };
      const { kubeconfig, expiresAt: expires_at } = await call.run(IssueKubeconfig, payload);
      if (kubeconfig === null) call.warn('the kubeconfig was shown when this call was made first; issue another');
      await call.settle(kubeconfigsProjection);
      return { issue_id, cluster_id: cluster.id, role, api_endpoint: cluster.apiEndpoint!, expires_at, kubeconfig };
    });
    this.registrar.add(tools.listKubeconfigs, async ({ cluster_id, include_ended, limit }, call) => {
      const cluster = cluster_id === undefined ? undefined : await findCluster(this.readModels, cluster_id, call);
      const all = await this.readModels.find(kubeconfigsProjection, {
        where: { account: call.accountId, ...(cluster === undefined ? {} : { cluster_id: cluster.id }) },
      });
      const kubeconfigs = [...all]
        .sort((a, b) => b.issuedAt.localeCompare(a.issuedAt))
        .map((doc) => this.output(doc))
        .filter(({ status }) => include_ended || status === 'active');
      return { kubeconfigs: kubeconfigs.slice(0, limit) };
    });
    this.registrar.add(tools.revokeKubeconfig, async ({ issue_id }, call) => {
      const doc = await this.find(issue_id, call);
      const wasRevoked = doc.revoked !== null;
      await call.run(RevokeKubeconfig, { issue_id: doc.id, reason: 'revoked' });
      await call.settle(kubeconfigsProjection);
      // What the call did is told from the log: the read model may be behind.
      const state = (await this.transactor.read(doc.id, kubeconfigDecider))?.state ?? doc;
      const now = (await this.readModels.get(kubeconfigsProjection, doc.id)) ?? doc;
      return { revoked: !wasRevoked && state.revoked !== null, kubeconfig: this.output({ ...now, ...state }) };
    });
  }

  private async find(wanted: string, call: ToolCall): Promise<KubeconfigDoc> {
    const doc = await this.readModels.get(kubeconfigsProjection, wanted);
    if (doc !== undefined && doc.accountId === call.accountId) return doc;
    const where = { account: call.accountId, revoked: 'false' };
    const mine = (await this.readModels.find(kubeconfigsProjection, { where })).map(({ id }) => id);
    const near = nearest(wanted, mine);
    throw new RefusedError(
      refusal(404, 'kubeconfig_not_found', `no kubeconfig was issued as ${JSON.stringify(wanted)}`, {
        field: 'issue_id',
        hint: near === undefined ? 'kubernetes_list_kubeconfigs lists them' : `did you mean ${near}?`,
        candidates: mine.slice(0, 20).map((id) => ({ id })),
      }),
    );
  }

  private output(doc: KubeconfigDoc): tools.IssuedOutput {
    return kubeconfigOutput(doc, this.clock.wallMs());
  }
}

export const kubeconfigOutput = (doc: KubeconfigDoc, nowMs: number): tools.IssuedOutput => {
  const over = Date.parse(doc.expiresAt) <= nowMs;
  const ended = doc.revoked === null || doc.revoked === 'expired' ? 'expired' : 'revoked';
  return {
    id: doc.id,
    cluster_id: doc.clusterId,
    operator: doc.operator,
    role: doc.role,
    service_account: doc.serviceAccount,
    status: doc.revoked === null && !over ? 'active' : ended,
    issued_at: doc.issuedAt,
    expires_at: doc.expiresAt,
    revoked_at: doc.revokedAt,
    reason: doc.revoked,
    ...kubeconfigConditions(doc, nowMs),
  };
};

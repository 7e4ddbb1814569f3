import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { isoTime, refusal, RefusedError, type ClusterId } from '#kernel';
import { SECRET_STORE, shreddedRefusal, type SecretStore } from '#access';
import { READ_MODELS, type ReadModels } from '#processing';
import { TOOL_REGISTRAR, type ToolCall, type ToolRegistrar } from '#tools';
import { NodeReports } from '../application/node-reports.js';
import { DecommissionCluster, ResumeMigration, SetLifecyclePolicy } from '../application/commands.js';
import { clustersProjection, type ClusterDoc } from '../projections/clusters.js';
import * as tools from './definitions.js';
import { findCluster } from './find-cluster.js';
import { clusterOutput, nodeOutput } from './views.js';

/** The operator's tools for clusters. Reads come from the read model, confined to the caller's account. */
@Injectable()
export class KubernetesTools implements OnModuleInit {
  constructor(
    @Inject(TOOL_REGISTRAR) private readonly registrar: ToolRegistrar,
    @Inject(READ_MODELS) private readonly readModels: ReadModels,
    @Inject(SECRET_STORE) private readonly secrets: SecretStore,
    private readonly reports: NodeReports,
  ) {}

  onModuleInit(): void {
    this.registerCare();
    this.registrar.add(tools.listClusters, async (input, call) => {
      const found = await this.readModels.find(clustersProjection, {
        where: { account: call.accountId },
        after: input.cursor,
      });
      const shown = found.filter((doc) => input.include_decommissioned || doc.status !== 'decommissioned');
      const page = shown.slice(0, input.limit);
      return { clusters: page.map(clusterOutput), next_cursor: shown.length > page.length ? page.at(-1)!.id : null };
    });
    this.registrar.add(tools.getCluster, async (input, call) => ({
      cluster: clusterOutput(await this.resolve(input.cluster_id, call)),
    }));
    this.registrar.add(tools.listNodes, async (input, call) => {
      const doc = await this.resolve(input.cluster_id, call);
      const nodes = doc.nodes.map((node) => ({ ...nodeOutput(node, doc), ...this.reported(node.instanceId) }));
      // As kubectl lists them, and not in the order in which they happened to join.
      return { nodes: nodes.sort((a, b) => (a.name ?? a.instance_id).localeCompare(b.name ?? b.instance_id)) };
    });
    this.registrar.add(tools.getKubeconfig, async (input, call) =>
      this.kubeconfig(await this.resolve(input.cluster_id, call)),
    );
    this.registrar.add(tools.decommissionCluster, async (input, call) => {
      const doc = await this.resolve(input.cluster_id, call);
      const { freed } = await call.run(DecommissionCluster, { cluster_id: doc.id as ClusterId });
      await call.settle(clustersProjection);
      return { decommissioned: true, cluster_id: doc.id, freed_node_count: freed.length };
    });
  }

  private reported(instanceId: string) {
    const { certificatesEndMs, binaryDigest, wantedDigest } = this.reports.of(instanceId);
    return {
      certificates_end: certificatesEndMs === null ? null : isoTime(certificatesEndMs),
      binary_digest: binaryDigest,
      wanted_digest: wantedDigest,
    };
  }

  private registerCare(): void {
    const changed = async (id: string, call: ToolCall) => {
      await call.settle(clustersProjection);
      return { cluster: clusterOutput(await this.resolve(id, call)) };
    };
    this.registrar.add(tools.setLifecyclePolicy, async ({ cluster_id, ...change }, call) => {
      const { id } = await this.resolve(cluster_id, call);
      await call.run(SetLifecyclePolicy, { cluster_id: id as ClusterId, change });
      return changed(id, call);
    });
    this.registrar.add(tools.resumeMigration, async (input, call) => {
      const { id } = await this.resolve(input.cluster_id, call);
      await call.run(ResumeMigration, { cluster_id: id as ClusterId });
      return changed(id, call);
    });
  }

  private async kubeconfig(doc: ClusterDoc) {
    const ref = doc.apiEndpoint === null || doc.status === 'decommissioned' ? null : doc.kubeconfigRef;
    const secret = ref === null ? undefined : await this.secrets.find(ref);
    if (secret?.kind === 'found') {
      return { cluster_id: doc.id, kubeconfig: secret.plaintext, api_endpoint: doc.apiEndpoint! };
    }
    if (secret?.kind === 'shredded') throw new RefusedError(shreddedRefusal(ref!, secret.atMs));
    throw new RefusedError(
      doc.status === 'decommissioned'
        ? refusal(410, 'secrets_shredded', `${doc.name} is decommissioned: its secrets are shredded with it`, {
            field: 'cluster_id',
          })
        : refusal(422, 'kubeconfig_not_yet_available', `${doc.name} is ${doc.status}: it has no kubeconfig yet`, {
            field: 'cluster_id',
            hint: 'call again when the cluster is active',
          }),
    );
  }

  private resolve(wanted: string, call: ToolCall): Promise<ClusterDoc> {
    return findCluster(this.readModels, wanted, call);
  }
}

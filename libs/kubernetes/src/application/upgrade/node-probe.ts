import { Inject, Injectable } from '@nestjs/common';
import { foreignText, sleep, TIMERS, type Timers } from '#kernel';
import type { Cluster } from '../../domain/cluster/state.js';
import { apiSaid } from '../api-said.js';
import { Clusters } from '../clusters.js';
import { KubeApis, type KubeApi } from '../kube-api.js';

/** What the Kubernetes API says of one node. */
export interface Probed {
  readonly ready: boolean;
  readonly cordoned: boolean;
  readonly kubeletVersion: string | null;
  /** What the server's own API reports as its version; null for workers and where it does not answer. */
  readonly serverVersion: string | null;
  readonly detail: string;
}

/** An API server that restarts may take its time; the rollout looks again anyway. */
const BOUND_MS = 4_000;

/** Looks at nodes through the agents' tunnels: hope is no gate. */
@Injectable()
export class NodeProbe {
  constructor(
    private readonly apis: KubeApis,
    @Inject(TIMERS) private readonly timers: Timers,
  ) {}

  /** Never rejects: what cannot be seen is not healthy. */
  async look(cluster: Cluster, nodes: readonly { instanceId: string; name: string; role: 'server' | 'agent' }[]) {
    const seen = await this.withApi(cluster, this.best(cluster), (api) =>
      Promise.all(nodes.map(async ({ instanceId, name }) => [instanceId, await readNode(api, name)] as const)),
    );
    const versions = new Map<string, string | null>();
    for (const { instanceId } of nodes.filter((n) => n.role === 'server'))
      versions.set(instanceId, await this.serverVersion(cluster, instanceId));
    const byId = new Map(typeof seen === 'string' ? [] : seen);
    return new Map(
      nodes.map(({ instanceId }): [string, Probed] => {
        const known = byId.get(instanceId) ?? missing(typeof seen === 'string' ? seen : 'not looked at');
        return [instanceId, { ...known, serverVersion: versions.get(instanceId) ?? null }];
      }),
    );
  }

  private best(cluster: Cluster): string[] {
    return Clusters.servers(cluster);
  }

  private async serverVersion(cluster: Cluster, instanceId: string): Promise<string | null> {
    const answer = await this.withApi(cluster, [instanceId], async (api) => {
      const { VersionApi } = await import('@kubernetes/client-node');
      return { version: (await api.config.makeApiClient(VersionApi).getCode()).gitVersion };
    });
    return typeof answer === 'string' ? null : versionOf(answer.version);
  }

  /** The answer, or why there is none. */
  private async withApi<T extends object>(
    cluster: Cluster,
    servers: string[],
    ask: (api: KubeApi) => Promise<T>,
  ): Promise<T | string> {
    let api: KubeApi | undefined;
    try {
      api = await this.apis.open({ clusterName: cluster.name, kubeconfigRef: cluster.kubeconfigRef!, servers });
      const late = new AbortController();
      const asked = ask(api);
      asked.catch(() => undefined);
      const answer = await Promise.race([
        asked,
        sleep(this.timers, BOUND_MS, late.signal).then(() => 'no answer in time'),
      ]);
      late.abort();
      return answer;
    } catch (error) {
      return apiSaid(error, 300);
    } finally {
      if (api !== undefined) await (api.destroy?.(new Error('looked')) ?? api.close()).catch(() => undefined);
    }
  }
}

const missing = (detail: string): Omit<Probed, 'serverVersion'> => ({
  ready: false,
  cordoned: false,
  kubeletVersion: null,
  detail,
});

/** Compared with the wanted one and shown where they differ. */
const versionOf = (said: string | undefined): string | null => (said === undefined ? null : foreignText(said, 64));

const readNode = async (api: KubeApi, name: string): Promise<Omit<Probed, 'serverVersion'>> => {
  try {
    const node = await api.core.readNode({ name });
    const condition = node.status?.conditions?.find((c) => c.type === 'Ready');
    const ready = condition?.status === 'True';
    return {
      ready,
      cordoned: node.spec?.unschedulable === true,
      kubeletVersion: versionOf(node.status?.nodeInfo?.kubeletVersion),
      detail: ready ? '' : foreignText(condition?.message ?? condition?.reason ?? 'the node has no Ready condition'),
    };
  } catch (error) {
    return missing(apiSaid(error, 300));
  }
};

import type { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { refusal, RefusedError } from '#kernel';
import type { AgentLink } from '#agent-gateway';
import type { KubeApi, KubeApiTarget } from '#kubernetes';
import type { Notes } from './fork-ports.js';
import type { VirtualTime } from './virtual-time.js';

/** The token's end is what was asked for, not this. */
const FAR = '9999-12-31T00:00:00Z';

/** Does as it is told and runs no pods. */
const obliging = {
  patchNode: async () => ({}),
  listPodForAllNamespaces: async () => ({ items: [] }),
  createNamespacedPodEviction: async () => ({}),
  deleteNode: async () => ({}),
  deleteNamespacedSecret: async () => ({}),
  readNode: async () => ({ metadata: {} }),
  createNamespacedServiceAccount: async () => ({}),
  deleteNamespacedServiceAccount: async () => ({}),
  createClusterRoleBinding: async () => ({}),
  deleteClusterRoleBinding: async () => ({}),
  createNamespacedServiceAccountToken: async () => ({
    status: { token: 'nothing-was-issued', expirationTimestamp: FAR },
  }),
};

/** The Kubernetes API of a fork: whether one could be reached is known, what it would answer is assumed and said so. */
export class ImaginaryKube {
  constructor(
    private readonly link: Pick<AgentLink, 'liveness'>,
    private readonly time: VirtualTime,
    private readonly notes: Notes,
  ) {}

  async open(target: KubeApiTarget): Promise<KubeApi> {
    if (!target.servers.some((id) => this.link.liveness(id).connected)) {
      const hint = 'call again';
      throw new RefusedError(
        refusal(503, 'no_server_connected', `no server of ${target.clusterName} has a connected agent`, { hint }),
      );
    }
    // What uses the API loads the client too; here it is waited for while virtual time stands still.
    await this.time.during(import('@kubernetes/client-node'));
    this.notes.add(
      'what the Kubernetes API of a cluster answers, which pods run and how long they take to leave: taken to obey, with no pods to evict',
    );
    const core = new Proxy(obliging, {
      get: (known, name) =>
        // Whoever awaits it asks whether it is a promise.
        name in known || name === 'then'
          ? known[name as keyof typeof known]
          : async () => Promise.reject(new Error(`a fork does not know the Kubernetes API's ${String(name)}`)),
    });
    return {
      core: core as unknown as CoreV1Api,
      config: { makeApiClient: () => core } as unknown as KubeConfig,
      close: async () => undefined,
    };
  }
}

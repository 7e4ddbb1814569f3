import { connect as tlsConnect } from 'node:tls';
import type { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher } from 'undici';
import { RefusedError, refusal, type Timers } from '#kernel';
import type { AgentLink } from '#agent-gateway';
import type { SecretStore } from '#access';
import { boundedAnswers } from './bounded-answers.js';

const API_PORT = 6443;
/** A node may open the tunnel and then say nothing; who waits for it (a drain, a join) must get an answer. */
const HANDSHAKE_MS = 10_000;
const ANSWER_MS = 20_000;
/** For a whole answer, however steadily it comes: a list of 1,000 nodes takes a second. */
const WHOLE_MS = 60_000;
/** The API server is a tenant's; a list of 1,000 nodes is some 10 MiB. */
export const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** The Kubernetes API of a cluster, reached through a server's own agent: the platform is not on the overlay. */
export interface KubeApi {
  readonly core: CoreV1Api;
  /** The official client's configuration, for its other API classes. */
  readonly config: KubeConfig;
  close(): Promise<void>;
  /** Ends what is under way as well; for who has stopped waiting. */
  destroy?(reason: Error): Promise<void>;
}

export interface KubeApiTarget {
  readonly clusterName: string;
  readonly kubeconfigRef: string;
  /** Servers to try, best first. */
  readonly servers: readonly string[];
}

/** Optional port: where Kubernetes APIs come from in place of the agents' tunnels, for a fork of the platform. */
export const KUBE_APIS = Symbol('KubeApis');
export type KubeApiSource = Pick<KubeApis, 'open'> & { readonly watches?: boolean };

/** Opens the official client over the Tunnel of the first server whose agent is connected. */
export class KubeApis {
  /** There is a real API behind it, which changes by itself. */
  readonly watches?: boolean = true;

  constructor(
    private readonly link: AgentLink,
    private readonly secrets: SecretStore,
    private readonly timers: Timers,
  ) {}

  /** `quietMs`: for how long the API may say nothing within one answer, as it does on a watch. */
  async open(target: KubeApiTarget, options: { readonly quietMs?: number } = {}): Promise<KubeApi> {
    const kubeconfig = await this.secrets.get(target.kubeconfigRef);
    if (kubeconfig === undefined) {
      throw new RefusedError(
        refusal(422, 'kubeconfig_unavailable', `${target.clusterName} has no kubeconfig in the secret store`),
      );
    }
    const server = target.servers.find((id) => this.link.liveness(id).connected);
    if (server === undefined) {
      throw new RefusedError(
        refusal(503, 'no_server_connected', `no server of ${target.clusterName} has a connected agent`, {
          hint: 'call again',
        }),
      );
    }
    // Loaded on first use: the client is large and most processes never need it.
    const { CoreV1Api, KubeConfig } = await import('@kubernetes/client-node');
    const config = new KubeConfig();
    config.loadFromString(kubeconfig);
    const agent = this.dispatcher(server, config, options.quietMs ?? ANSWER_MS);
    // A watch goes on; what it may hold at once and how long it may be silent is bounded all the same.
    const dispatcher = agent.compose(boundedAnswers(this.timers, options.quietMs === undefined ? WHOLE_MS : undefined));
    // The kubeconfig names the VIP, which is on the overlay; through the tunnel it is the node's own loopback.
    config.clusters = config.clusters.map((cluster) => ({ ...cluster, server: `https://127.0.0.1:${API_PORT}` }));
    config.applySecurityAuthentication = async (context) => context.setDispatcher(dispatcher as never);
    return {
      core: config.makeApiClient(CoreV1Api),
      config,
      close: () => dispatcher.close(),
      destroy: (reason) => dispatcher.destroy(reason),
    };
  }

  /** Connections to a server without its administrator's certificate, for those of K3s' own endpoints that ask for its token. */
  async supervisor(target: KubeApiTarget, answerMs: number): Promise<Dispatcher> {
    const kubeconfig = await this.secrets.get(target.kubeconfigRef);
    const server = target.servers.find((id) => this.link.liveness(id).connected);
    if (kubeconfig === undefined || server === undefined)
      throw new RefusedError(
        refusal(503, 'no_server_connected', `no server of ${target.clusterName} can be asked now`),
      );
    const { KubeConfig } = await import('@kubernetes/client-node');
    const config = new KubeConfig();
    config.loadFromString(kubeconfig);
    config.users = [];
    const agent = this.dispatcher(server, config, answerMs, answerMs);
    return agent.compose(boundedAnswers(this.timers, Math.max(answerMs, WHOLE_MS)));
  }

  private dispatcher(instanceId: string, config: KubeConfig, quietMs: number, answerMs = ANSWER_MS): Agent {
    const decode = (value: string | undefined) => (value === undefined ? undefined : Buffer.from(value, 'base64'));
    const ca = decode(config.getCurrentCluster()?.caData);
    const user = config.getCurrentUser();
    const [cert, key] = [decode(user?.certData), decode(user?.keyData)];
    return new Agent({
      connections: 4,
      headersTimeout: answerMs,
      bodyTimeout: quietMs,
      maxResponseSize: MAX_ANSWER_BYTES,
      connect: (_options, callback) => {
        this.link.openTunnel(instanceId, API_PORT).then(
          (socket) => {
            const tls = tlsConnect({ socket, host: '127.0.0.1', ca, cert, key, ALPNProtocols: ['http/1.1'] });
            const silent = () =>
              tls.destroy(new Error(`no TLS handshake with ${instanceId} within ${HANDSHAKE_MS} ms`));
            const cancel = this.timers.after(HANDSHAKE_MS, silent);
            tls.once('secureConnect', () => {
              cancel();
              callback(null, tls as never);
            });
            tls.once('error', (error) => {
              cancel();
              callback(error, null);
            });
          },
          (error: Error) => callback(error, null),
        );
      },
    });
  }
}

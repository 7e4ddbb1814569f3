import { isoTime, refusal, RefusedError, type Clock, type Random } from '#kernel';
import type { KubeApis, KubeApiTarget } from './kube-api.js';

const TTL_MS = 15 * 60_000;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

export interface WorkerToken {
  /** `K10<hash of the cluster CA>::<id>.<secret>`, as `k3s token create` prints it. */
  readonly token: string;
  readonly tokenId: string;
  readonly expiresAt: string;
}

/**
 * A fresh, short-lived token per joining worker: a bootstrap-token secret in kube-system, which is what `k3s token create
 * --ttl` makes. The long-lived server token never goes to a worker.
 */
export class WorkerTokens {
  constructor(
    private readonly apis: KubeApis,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** `serverToken` is only read for K3s's own hash of the cluster CA, which a worker checks before it says anything. */
  async mint(target: KubeApiTarget, serverToken: string, description: string): Promise<WorkerToken> {
    const caHash = secureTokenHash(serverToken);
    const tokenId = this.text(6);
    const secret = this.text(16);
    const expiresAt = isoTime(this.clock.wallMs() + TTL_MS);
    const api = await this.apis.open(target);
    try {
      await api.core.createNamespacedSecret({
        namespace: 'kube-system',
        body: {
          metadata: { name: `bootstrap-token-${tokenId}`, namespace: 'kube-system' },
          type: 'bootstrap.kubernetes.io/token',
          stringData: {
            description,
            'token-id': tokenId,
            'token-secret': secret,
            expiration: expiresAt,
            'usage-bootstrap-authentication': 'true',
            'usage-bootstrap-signing': 'true',
            'auth-extra-groups': 'system:bootstrappers:k3s:default-node-token',
          },
        },
      });
    } finally {
      await api.close();
    }
    return {
      token: `K10${caHash}::${tokenId}.${secret}`,
      tokenId,
      expiresAt,
    };
  }

  /** Uniform over the alphabet: bytes past the largest multiple of its size are thrown away. */
  private text(length: number): string {
    const limit = 256 - (256 % ALPHABET.length);
    let text = '';
    while (text.length < length) {
      for (const byte of this.random.bytes(length)) {
        if (byte < limit && text.length < length) text += ALPHABET[byte % ALPHABET.length];
      }
    }
    return text;
  }
}

/** The CA hash in a full server token (`K10<64 hex digits>::server:…`), as K3s writes it to node-token. */
export const secureTokenHash = (serverToken: string): string => {
  const hash = /^K10([0-9a-f]{64})::/.exec(serverToken)?.[1];
  if (hash !== undefined) return hash;
  throw new RefusedError(
    refusal(422, 'short_server_token', 'the reported server token is not in K3s’s full form', {
      field: 'server_token',
      hint: 'report /var/lib/rancher/k3s/server/node-token as K3s wrote it (K10…::server:…)',
    }),
  );
};

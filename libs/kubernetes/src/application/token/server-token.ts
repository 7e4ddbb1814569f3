import { request } from 'undici';
import { foreignText } from '#kernel';
import type { KubeApis, KubeApiTarget } from '../kube-api.js';

const PUT_MS = 60_000;
const ASK_MS = 10_000;

/** The secret part of a token as K3s writes it (`K10…::server:SECRET`). */
export const secretPart = (token: string): string => token.trim().split(':').at(-1) ?? '';

/** The same authority, another secret. */
export const withSecret = (token: string, secret: string): string => {
  const full = /^(K10[0-9a-f]{64}::server:)/.exec(token.trim())?.[1];
  return `${full ?? ''}${secret}`;
};

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** What `k3s token rotate` asks of a server, and whom the server takes a token from, asked through its Tunnel. */
export class ServerTokenApi {
  constructor(
    private readonly apis: Pick<KubeApis, 'supervisor'>,
    private readonly target: KubeApiTarget,
  ) {}

  rotate(token: string, newSecret: string): Promise<Answer> {
    return this.ask(token, 'PUT', '/v1-k3s/token', { newToken: newSecret }, PUT_MS);
  }

  /**
   * Only who has the server token may look at this (k3s-io/k3s pkg/server/handlers/router.go), whatever the datastore: paths of
   * embedded etcd's are not there with an external one. Null where it cannot be seen.
   */
  async accepts(token: string): Promise<boolean | null> {
    const { status, text } = await this.ask(token, 'GET', '/v1-k3s/encrypt/status', undefined, ASK_MS);
    // Before K3s is up nobody is asked for a token.
    if (status > 500) throw new Error(`K3s answers ${status} ${text}`);
    if (status === 401 || status === 403) return false;
    return status === 404 ? null : true;
  }

  private async ask(
    token: string,
    method: 'PUT' | 'GET',
    path: string,
    body: object | undefined,
    boundMs: number,
  ): Promise<Answer> {
    const dispatcher = await this.apis.supervisor(this.target, boundMs);
    try {
      const answer = await request(`https://127.0.0.1:6443${path}`, {
        dispatcher,
        method,
        headers: {
          authorization: `Basic ${Buffer.from(`server:${secretPart(token)}`).toString('base64')}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: answer.statusCode, text: foreignText(await answer.body.text()) };
    } finally {
      await dispatcher.close();
    }
  }
}

import { request } from 'undici';
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

  /** Null where it cannot be seen: K3s asks for the token on this path since v1.30, and knows no harmless one before. */
  async accepts(token: string): Promise<boolean | null> {
    const { status } = await this.ask(token, 'POST', '/db/snapshot', { operation: 'list' }, ASK_MS);
    if (status === 401 || status === 403) return false;
    return status === 404 ? null : true;
  }

  private async ask(
    token: string,
    method: 'PUT' | 'POST',
    path: string,
    body: object,
    boundMs: number,
  ): Promise<Answer> {
    const dispatcher = await this.apis.supervisor(this.target, boundMs);
    try {
      const answer = await request(`https://127.0.0.1:6443${path}`, {
        dispatcher,
        method,
        headers: {
          authorization: `Basic ${Buffer.from(`server:${secretPart(token)}`).toString('base64')}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(body),
      });
      return { status: answer.statusCode, text: (await answer.body.text()).trim().slice(0, 300) };
    } finally {
      await dispatcher.close();
    }
  }
}

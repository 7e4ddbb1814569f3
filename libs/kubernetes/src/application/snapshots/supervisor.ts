import { z } from 'zod';
import { request } from 'undici';
import type { KubeApis, KubeApiTarget } from '../kube-api.js';

const saved = z.object({ created: z.array(z.string()) });
const listed = z.object({
  items: z.array(z.object({ spec: z.object({ snapshotName: z.string(), location: z.string() }) })).nullish(),
});
const deleted = z.object({ deleted: z.array(z.string()).nullish() });

/** etcd on a large cluster takes its time to write itself out. */
const SAVE_MS = 180_000;

/** What `k3s etcd-snapshot` asks of a server, asked through its Tunnel with the server token. */
export class SnapshotApi {
  constructor(
    private readonly apis: Pick<KubeApis, 'supervisor'>,
    private readonly target: KubeApiTarget,
    /** The newest first: a server that was not restarted since the token changed takes the former one. */
    private readonly serverTokens: readonly string[],
  ) {}

  async save(name: string): Promise<string> {
    const { created } = saved.parse(await this.ask({ operation: 'save', name: [name] }));
    if (created[0] === undefined) throw new Error('K3s says that it saved a snapshot and does not name it');
    return created[0];
  }

  /** Names of the snapshots in the server's own folder. */
  async list(): Promise<string[]> {
    const { items } = listed.parse(await this.ask({ operation: 'list' }));
    return (items ?? []).flatMap(({ spec }) => (spec.location.startsWith('file://') ? [spec.snapshotName] : []));
  }

  async delete(name: string): Promise<void> {
    deleted.parse(await this.ask({ operation: 'delete', name: [name] }));
  }

  private async ask(body: object): Promise<unknown> {
    for (const [n, token] of this.serverTokens.entries()) {
      const { status, text } = await this.askWith(token, body);
      if (status === 200) return JSON.parse(text) as unknown;
      if (status !== 401 || n === this.serverTokens.length - 1)
        throw new Error(`K3s answers ${status}: ${text.trim().slice(0, 300)}`);
    }
    throw new Error('there is no server token to ask with');
  }

  private async askWith(token: string, body: object): Promise<{ readonly status: number; readonly text: string }> {
    const dispatcher = await this.apis.supervisor(this.target, SAVE_MS);
    try {
      const password = token.trim().split(':').at(-1) ?? '';
      const answer = await request('https://127.0.0.1:6443/db/snapshot', {
        dispatcher,
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`server:${password}`).toString('base64')}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(body),
      });
      return { status: answer.statusCode, text: await answer.body.text() };
    } finally {
      await dispatcher.close();
    }
  }
}

import { z } from 'zod';
import { request } from 'undici';
import { foreignText } from '#kernel';
import type { KubeApis, KubeApiTarget } from '../kube-api.js';

/** As K3s names them, and as agents take them (agent/src/tunnel/node-channel.ts): they become paths on other servers. */
const FILE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,250}$/;

const saved = z.object({ created: z.array(z.string()) });
const listed = z.object({
  items: z.array(z.object({ spec: z.object({ snapshotName: z.string(), location: z.string() }) })).nullish(),
});
const deleted = z.object({ deleted: z.array(z.string()).nullish() });

/** etcd on a large cluster takes its time to write itself out. */
const SAVE_MS = 180_000;

/** Undefined where it is none: what is wrong with it would be the server's words again. */
const json = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const understood = <T>(schema: z.ZodType<T>, answer: unknown): T => {
  const known = schema.safeParse(answer);
  if (!known.success) throw new Error('K3s answered something else than was asked');
  return known.data;
};

/** What `k3s etcd-snapshot` asks of a server, asked through its Tunnel with the server token. */
export class SnapshotApi {
  constructor(
    private readonly apis: Pick<KubeApis, 'supervisor'>,
    private readonly target: KubeApiTarget,
    /** The newest first: a server that was not restarted since the token changed takes the former one. */
    private readonly serverTokens: readonly string[],
  ) {}

  async save(name: string): Promise<string> {
    const [file] = understood(saved, await this.ask({ operation: 'save', name: [name] })).created;
    if (file === undefined) throw new Error('K3s says that it saved a snapshot and does not name it');
    if (!FILE.test(file)) throw new Error(`K3s names a snapshot that cannot be one: ${foreignText(file, 100)}`);
    return file;
  }

  /** Names of the snapshots in the server's own folder. */
  async list(): Promise<string[]> {
    const { items } = understood(listed, await this.ask({ operation: 'list' }));
    const here = (items ?? []).filter(({ spec }) => spec.location.startsWith('file://'));
    return here.map(({ spec }) => spec.snapshotName).filter((name) => FILE.test(name));
  }

  async delete(name: string): Promise<void> {
    understood(deleted, await this.ask({ operation: 'delete', name: [name] }));
  }

  private async ask(body: object): Promise<unknown> {
    for (const [n, token] of this.serverTokens.entries()) {
      const { status, text } = await this.askWith(token, body);
      if (status === 200) return json(text);
      if (status !== 401 || n === this.serverTokens.length - 1)
        throw new Error(`K3s answers ${status}: ${foreignText(text)}`);
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

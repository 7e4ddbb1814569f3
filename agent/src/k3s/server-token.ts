import { join } from 'node:path';
import { z } from 'zod';
import type { Files } from '../ports.js';

const held = z.object({ cluster_id: z.string(), generation: z.number().int(), token: z.string().min(1) });
export type HeldToken = z.infer<typeof held>;

/**
 * The server token that came through the Tunnel since this server began: K3s is started with it from then on, whoever starts
 * it. A secret, in a file of mode 0600 only. What a join was answered with is newer, and takes its place.
 */
export class ServerToken {
  private readonly path: string;

  constructor(
    private readonly files: Files,
    stateDir: string,
  ) {
    this.path = join(stateDir, 'k3s-server-token.json');
  }

  async of(clusterId: string): Promise<HeldToken | undefined> {
    const bytes = await this.files.read(this.path);
    const known = bytes === undefined ? undefined : held.parse(JSON.parse(bytes.toString('utf8')));
    return known?.cluster_id === clusterId ? known : undefined;
  }

  async take(token: HeldToken): Promise<void> {
    const known = await this.of(token.cluster_id);
    if (known !== undefined && known.generation > token.generation) return;
    await this.files.write(this.path, JSON.stringify(held.parse(token)), 0o600);
  }

  async forget(): Promise<void> {
    await this.files.remove(this.path);
  }
}

const LINE = /^token: .*\n/m;

/** The same configuration but for the token: K3s goes on with the one it has until it is its turn to be restarted. */
export const onlyTokenDiffers = (before: string | undefined, after: string): boolean =>
  before !== undefined && before !== after && before.replace(LINE, '') === after.replace(LINE, '');

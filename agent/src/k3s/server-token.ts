import { join } from 'node:path';
import { z } from 'zod';
import { sha256Hex } from '#kernel';
import type { Files } from '../ports.js';

const held = z.object({ cluster_id: z.string(), generation: z.number().int(), token: z.string().min(1) });
export type HeldToken = z.infer<typeof held>;

const offered = held.extend({
  /** The token that K3s has as long as it does not have the new one. */
  former: z.string().min(1),
  /** What K3s is started with meanwhile, once it refused the one it had. */
  trying: z.enum(['own', 'new', 'former']).default('own'),
  /** Of what K3s said when it refused: the same words are not a second refusal. */
  heard: z.string().default(''),
});
export type OfferedToken = Pick<z.infer<typeof offered>, 'cluster_id' | 'generation' | 'token' | 'former'>;

/** What K3s says, and ends, when its datastore is encrypted with another token. */
const REFUSED = /^.*encrypted with different token/m;
const BEGINS = /^.*Starting k3s v/gm;

/**
 * Of what K3s said in its last life, all up to its refusal; undefined when it did not refuse. What systemd says of the end, and of
 * the next start before K3s says something itself, goes on growing after that, and is no second refusal.
 */
const refusalOf = (said: string): string | undefined => {
  const life = said.slice([...said.matchAll(BEGINS)].at(-1)?.index ?? 0);
  const end = REFUSED.exec(life);
  return end === null ? undefined : life.slice(0, end.index + end[0].length);
};

/**
 * The server token that came through the Tunnel since this server began: K3s is started with it from then on, whoever starts
 * it. A secret, in a file of mode 0600 only. What a join was answered with is newer, and takes its place.
 */
export class ServerToken {
  private readonly path: string;
  private readonly offerPath: string;

  constructor(
    private readonly files: Files,
    stateDir: string,
  ) {
    this.path = join(stateDir, 'k3s-server-token.json');
    this.offerPath = join(stateDir, 'k3s-server-token-offer.json');
  }

  /** While it is not settled which token is in force: the one that is tried, under the generation of the one before. */
  async of(clusterId: string): Promise<HeldToken | undefined> {
    const known = await this.held(clusterId);
    const offer = await this.offer(clusterId);
    if (offer === undefined || offer.trying === 'own') return known;
    const token = offer.trying === 'new' ? offer.token : offer.former;
    return { cluster_id: clusterId, generation: known?.generation ?? 0, token };
  }

  async take(token: HeldToken): Promise<void> {
    const known = await this.held(token.cluster_id);
    if (known !== undefined && known.generation > token.generation) return;
    await this.files.write(this.path, JSON.stringify(held.parse(token)), 0o600);
    // Settled; after the other file, so that there is no moment without the right one.
    if (((await this.offer(token.cluster_id))?.generation ?? Infinity) <= token.generation)
      await this.files.remove(this.offerPath);
  }

  /** Both tokens, before K3s is given the new one: from then on this node finds out by itself which of them is in force. */
  async takeOffer(offer: OfferedToken): Promise<void> {
    const { cluster_id, generation, token } = offer;
    if (((await this.held(cluster_id))?.generation ?? 0) >= generation) return;
    const known = await this.offer(cluster_id);
    if (known !== undefined && (known.generation > generation || known.token === token)) return;
    await this.files.write(this.offerPath, JSON.stringify(offered.parse(offer)), 0o600);
  }

  /** True when K3s refused its token and is to be started with the other one: first with the new, then with the former. */
  async refused(clusterId: string, said: string): Promise<boolean> {
    const offer = await this.offer(clusterId);
    const refusal = refusalOf(said);
    if (offer === undefined || refusal === undefined) return false;
    const heard = sha256Hex(refusal);
    if (offer.heard === heard) return false;
    const trying = offer.trying === 'new' ? 'former' : 'new';
    await this.files.write(this.offerPath, JSON.stringify({ ...offer, trying, heard }), 0o600);
    return true;
  }

  async isOffered(clusterId: string): Promise<boolean> {
    return (await this.offer(clusterId)) !== undefined;
  }

  async forget(): Promise<void> {
    await this.files.remove(this.offerPath);
    await this.files.remove(this.path);
  }

  private async held(clusterId: string): Promise<HeldToken | undefined> {
    const bytes = await this.files.read(this.path);
    const known = bytes === undefined ? undefined : held.parse(JSON.parse(bytes.toString('utf8')));
    return known?.cluster_id === clusterId ? known : undefined;
  }

  private async offer(clusterId: string) {
    const bytes = await this.files.read(this.offerPath);
    const known = bytes === undefined ? undefined : offered.parse(JSON.parse(bytes.toString('utf8')));
    return known?.cluster_id === clusterId ? known : undefined;
  }
}

const LINE = /^token: .*\n/m;

/** The same configuration but for the token: K3s goes on with the one it has until it is its turn to be restarted. */
export const onlyTokenDiffers = (before: string | undefined, after: string): boolean =>
  before !== undefined && before !== after && before.replace(LINE, '') === after.replace(LINE, '');

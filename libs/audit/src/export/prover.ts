import type { StoredEvent, StoredLog } from '../log/stored-log.js';
import { cloudEvent } from '../proof/cloud-event.js';
import type { EventProof } from '../proof/event-proof.js';
import { inclusionPath } from '../proof/merkle.js';
import { uuidBytes } from '../seals/pending.js';
import type { SealStore } from '../seals/seal-store.js';
import { sealedLeaves } from './range.js';

export type Proven =
  | { readonly kind: 'proof'; readonly proof: EventProof }
  | { readonly kind: 'unknown' }
  /** It is in the log, and no seal covers it yet. */
  | { readonly kind: 'not_sealed' };

const READ = 500;

/** Proofs of single events. */
export class Prover {
  constructor(
    private readonly log: StoredLog,
    private readonly store: SealStore,
  ) {}

  /** `account`: only an event of this account; any without it. Throws UnprovableError. */
  async prove(eventId: string, account: string | undefined): Promise<Proven> {
    const event = await this.find(eventId);
    if (event === undefined || (account !== undefined && event.account !== account)) return { kind: 'unknown' };
    const row = await this.store.sealCovering(event.position);
    if (row === undefined || row.from > event.position) return { kind: 'not_sealed' };
    const { seal, leaves, own } = await sealedLeaves(this.log, row, ({ position }) => position === event.position);
    const index = own[0]!;
    const path = inclusionPath(leaves, index).map((hash) => Buffer.from(hash).toString('hex'));
    const keys = [...(await this.store.keys())];
    return { kind: 'proof', proof: { drover_proof: 1, event: cloudEvent(event), leaf: { index, path }, seal, keys } };
  }

  private async find(eventId: string): Promise<StoredEvent | undefined> {
    if (this.log.find !== undefined) return this.log.find(eventId);
    const place = await this.store.findPlace(uuidBytes(eventId));
    if (place === undefined) return this.findUnsealed(eventId);
    const [event] = await this.log.read(place - 1n, 1, place);
    return event?.id === eventId ? event : undefined;
  }

  private async findUnsealed(eventId: string): Promise<StoredEvent | undefined> {
    const last = await this.store.seal((await this.store.head()).sealSeq);
    for (let at = last?.to ?? 0n; ;) {
      const events = await this.log.read(at, READ);
      const found = events.find(({ id }) => id === eventId);
      if (found !== undefined || events.length === 0) return found;
      at = events.at(-1)!.position;
    }
  }
}

import { z } from 'zod';
import { chainEntry, contentHash } from '#kernel';
import { hashedEvent } from './cloud-event.js';
import { keyRecordSchema, KeyHistory } from './keys.js';
import { leafHash, rootFromPath } from './merkle.js';
import { sealSchema } from './seal.js';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);

/** That an event is in the log, for whoever trusts one of the keys: of all other events it holds hashes only. */
export const eventProofSchema = z.object({
  drover_proof: z.literal(1),
  event: z
    .record(z.string(), z.unknown())
    .describe('The event as a CloudEvent; its exact stored bytes can be made from it'),
  leaf: z.object({
    index: z.number().int().min(0).describe('Which leaf of the seal’s Merkle tree the event is'),
    path: z.array(hex32).max(64).describe('Hashes from the leaf up to the root (RFC 9162)'),
  }),
  seal: sealSchema,
  keys: z.array(keyRecordSchema).min(1).describe('The signing keys, each signed by the one before it'),
});
export type EventProof = z.output<typeof eventProofSchema>;

export type ProofVerdict =
  | {
      readonly valid: true;
      readonly eventId: string;
      readonly type: string;
      readonly account: string;
      readonly position: bigint;
      readonly recordedAt: string;
      readonly seal: number;
      readonly sealedAt: string;
      /** Ids of all keys; an auditor compares one of them with what he was given elsewhere. */
      readonly keys: readonly string[];
    }
  | { readonly valid: false; readonly reason: string };

const invalid = (reason: string): ProofVerdict => ({ valid: false, reason });

/** Needs nothing but the proof. `pinned`: ids of keys known from elsewhere; without them a proof only shows that it fits itself. */
export const checkProof = (given: unknown, pinned: readonly string[] = []): ProofVerdict => {
  const parsed = eventProofSchema.safeParse(given);
  if (!parsed.success)
    return invalid(`this is no proof: ${parsed.error.issues[0]!.path.join('.')} ${parsed.error.issues[0]!.message}`);
  const { event, leaf, seal, keys } = parsed.data;
  const hashed = hashedEvent(event);
  if (hashed === undefined) return invalid('its event is not in the form of an export');
  const { position, recordedAt, envelope } = hashed;
  if (position < BigInt(seal.from) || position > BigInt(seal.to))
    return invalid('the seal does not cover the event’s position');
  const entry = leafHash(chainEntry(position, recordedAt, contentHash(envelope)));
  const root = rootFromPath(entry, leaf.index, seal.events, leaf.path.map(fromHex));
  if (root === undefined || Buffer.from(root).toString('hex') !== seal.root) {
    return invalid('the event is not the one that was sealed: its path does not lead to the root of the seal');
  }
  const history = new KeyHistory(keys, pinned);
  const problem = history.problem ?? history.problemOf(seal);
  if (problem !== undefined) return invalid(problem);
  return {
    valid: true,
    eventId: String(event.id),
    type: String(event.type),
    account: hashed.account,
    ...{ position, recordedAt, seal: seal.seq, sealedAt: seal.sealed_at, keys: keys.map(({ key }) => key) },
  };
};

const fromHex = (text: string): Buffer => Buffer.from(text, 'hex');

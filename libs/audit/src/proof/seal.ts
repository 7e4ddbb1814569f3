import { z } from 'zod';
import { canonicalJson, contentHash } from '#kernel';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const positionText = z.string().regex(/^(0|[1-9]\d{0,18})$/);

/**
 * What the platform signs about a range of the log. Positions are decimal text, hashes hex. `root` is the Merkle root over the
 * range's entries, `chain` the log's chain hash at `to`, `previous` the hash of the seal before (zeros for the first).
 */
const sealBody = z.strictObject({
  v: z.literal(1),
  seq: z.number().int().min(1),
  from: positionText,
  to: positionText,
  events: z.number().int().min(1),
  root: hex32,
  chain: hex32,
  previous: hex32,
  sealed_at: z.iso.datetime(),
  /** Id of the signing key. */
  key: hex32,
});
export const sealSchema = sealBody.extend({ signature: z.base64() });

export type SealBody = z.output<typeof sealBody>;
export type Seal = z.output<typeof sealSchema>;

export const NO_PREVIOUS = '0'.repeat(64);

const bodyOf = ({ v, seq, from, to, events, root, chain, previous, sealed_at, key }: SealBody): SealBody => ({
  ...{ v, seq, from, to, events, root, chain, previous, sealed_at, key },
});

/** The signed bytes; the first line keeps a signature over something else from passing for a seal. */
export const sealMessage = (seal: SealBody): Buffer => Buffer.from(`drover audit seal\n${canonicalJson(bodyOf(seal))}`);

/** What the next seal names as `previous`. Hex. */
export const sealHash = (seal: SealBody): string => contentHash(sealMessage(seal)).toString('hex');

/** One line of the file sink, without its line break. */
export const sealLine = (seal: Seal): string => canonicalJson(seal);

/** Undefined for anything that is not a seal in its one canonical form. */
export const parseSeal = (line: string): Seal | undefined => {
  const parsed = sealSchema.safeParse(asJson(line));
  return parsed.success && sealLine(parsed.data) === line ? parsed.data : undefined;
};

const asJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

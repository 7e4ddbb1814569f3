import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson, sha256Hex } from '#kernel';
import { sealMessage, type Seal } from './seal.js';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);

/**
 * A signing key as it is published: signed by the key before it (the first by itself), and valid for the seals after
 * `after_seal`, up to those of its successor. `key` is the sha256 of the public key's DER form (SubjectPublicKeyInfo).
 */
const keyBody = z.strictObject({
  v: z.literal(1),
  seq: z.number().int().min(1),
  key: hex32,
  /** SubjectPublicKeyInfo, DER, base64: what `openssl pkey -pubin` reads. */
  public_key: z.base64(),
  previous: hex32.nullable(),
  after_seal: z.number().int().min(0),
  created_at: z.iso.datetime(),
});
export const keyRecordSchema = keyBody.extend({ signature: z.base64() });

export type KeyBody = z.output<typeof keyBody>;
export type KeyRecord = z.output<typeof keyRecordSchema>;

const bodyOf = ({ v, seq, key, public_key, previous, after_seal, created_at }: KeyBody): KeyBody => ({
  ...{ v, seq, key, public_key, previous, after_seal, created_at },
});

export const keyMessage = (record: KeyBody): Buffer =>
  Buffer.from(`drover audit key\n${canonicalJson(bodyOf(record))}`);

export const keyIdOf = (publicKeyDer: Uint8Array): string => sha256Hex(publicKeyDer);

export const publicKeyPem = (record: Pick<KeyRecord, 'public_key'>): string =>
  `-----BEGIN PUBLIC KEY-----\n${record.public_key}\n-----END PUBLIC KEY-----\n`;

export const parseKeyRecord = (text: string): KeyRecord | undefined => {
  try {
    const parsed = keyRecordSchema.safeParse(JSON.parse(text));
    return parsed.success && canonicalJson(parsed.data) === text ? parsed.data : undefined;
  } catch {
    return undefined;
  }
};

const importKey = (record: KeyRecord): KeyObject | string => {
  const der = Buffer.from(record.public_key, 'base64');
  if (keyIdOf(der) !== record.key) return `key ${record.seq}: its id is not the digest of its public key`;
  try {
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ed25519' ? key : `key ${record.seq} is no Ed25519 key`;
  } catch {
    return `key ${record.seq}: its public key cannot be read`;
  }
};

const isSigned = (message: Buffer, key: KeyObject, signature: string): boolean =>
  verify(null, message, key, Buffer.from(signature, 'base64'));

/** The keys that signed a log's seals, in order. `problem` is the first thing wrong with their history. */
export class KeyHistory {
  private readonly keys = new Map<string, { readonly record: KeyRecord; readonly key: KeyObject; until: number }>();
  readonly problem: string | undefined;

  /** `pinned`: ids of keys that are known from elsewhere; one of them must be in the history. */
  constructor(
    readonly records: readonly KeyRecord[],
    pinned: readonly string[] = [],
  ) {
    this.problem = this.build(records) ?? pinProblem(records, pinned);
  }

  /** Undefined when the seal is signed by the key whose turn it was. */
  problemOf(seal: Seal): string | undefined {
    const known = this.keys.get(seal.key);
    if (known === undefined) return `seal ${seal.seq} names a key that is not in the key history`;
    const { record, key, until } = known;
    if (seal.seq <= record.after_seal || seal.seq > until) {
      return `seal ${seal.seq} is signed by key ${record.seq}, which was not in use for it`;
    }
    return isSigned(sealMessage(seal), key, seal.signature) ? undefined : `the signature of seal ${seal.seq} is wrong`;
  }

  private build(records: readonly KeyRecord[]): string | undefined {
    let before: { readonly record: KeyRecord; readonly key: KeyObject; until: number } | undefined;
    for (const record of records) {
      const key = importKey(record);
      if (typeof key === 'string') return key;
      const problem = followProblem(record, before?.record);
      if (problem !== undefined) return problem;
      if (!isSigned(keyMessage(record), before?.key ?? key, record.signature)) {
        return `key ${record.seq} is not signed by ${before === undefined ? 'itself' : `key ${before.record.seq}`}`;
      }
      if (before !== undefined) before.until = record.after_seal;
      before = { record, key, until: Number.MAX_SAFE_INTEGER };
      this.keys.set(record.key, before);
    }
    return undefined;
  }
}

const followProblem = (record: KeyRecord, before: KeyRecord | undefined): string | undefined => {
  if (record.seq !== (before?.seq ?? 0) + 1) return `key ${(before?.seq ?? 0) + 1} is missing`;
  if (record.previous !== (before?.key ?? null)) return `key ${record.seq} does not follow the key before it`;
  return record.after_seal >= (before?.after_seal ?? 0) ? undefined : `key ${record.seq} begins before its predecessor`;
};

const pinProblem = (records: readonly KeyRecord[], pinned: readonly string[]): string | undefined => {
  if (pinned.length === 0 || records.some(({ key }) => pinned.includes(key))) return undefined;
  return `none of the keys that were given is in the key history (${records.map(({ key }) => key).join(', ')})`;
};

import { join } from 'node:path';
import { canonicalJson, failpoint, RefusedError, sha256Hex, type Ids, type Random } from '#kernel';
import { shreddedRefusal, type FoundSecret, type SecretStore, type ShreddedSubject } from '../ports.js';
import { createOnce } from '../private-files.js';
import { seal, unseal } from './sealing.js';
import type { KeyRow, SecretRows } from './secret-rows.js';

/** The master key of a data directory (`master.key`, 0600, 32 bytes as hex); made at the first start. */
export const openMasterKey = async (dataDir: string, random: Pick<Random, 'bytes'>): Promise<Uint8Array> => {
  const path = join(dataDir, 'master.key');
  const text = (await createOnce(path, `${Buffer.from(random.bytes(32)).toString('hex')}\n`)).trim();
  if (!/^[0-9a-f]{64}$/.test(text)) throw new Error(`${path} does not hold 32 bytes as hex; restore it from a backup`);
  return Buffer.from(text, 'hex');
};

/** A reference is `subject#name`; both may stand in events, neither is secret. */
const refOf = (subject: string, name: string): string => `${subject}#${name}`;
const parseRef = (ref: string): { subject: string; name: string } | undefined => {
  const at = ref.indexOf('#');
  return at <= 0 ? undefined : { subject: ref.slice(0, at), name: ref.slice(at + 1) };
};

/** AES-256-GCM with a data key per subject, wrapped by the master key. What is sealed is bound to its subject and name. */
export class EnvelopeSecretStore implements SecretStore {
  constructor(
    private readonly rows: SecretRows,
    private readonly masterKey: Uint8Array,
    private readonly random: Pick<Random, 'bytes'>,
    private readonly ids: Ids,
  ) {
    if (masterKey.length !== 32) throw new RangeError('the master key must have 32 bytes');
  }

  async put(
    subject: string,
    name: string,
    plaintext: string,
  ): Promise<{ readonly ref: string; readonly digest: string }> {
    if (subject === '' || subject.includes('#')) throw new RangeError('a subject must not be empty or contain #');
    for (;;) {
      const key = (await this.rows.key(subject)) ?? (await this.rows.addKey(subject, this.newKey(subject)));
      if (key.kind === 'ended') throw new RefusedError(shreddedRefusal(refOf(subject, name), key.atMs));
      await failpoint('secret.key_made');
      const sealed = seal(this.unwrap(subject, key), Buffer.from(plaintext), bound(subject, name), this.random);
      const stored = await this.rows.put({ subject, name, keyId: key.keyId, sealed });
      await failpoint('secret.stored');
      // Shredded between the two steps: the next round says so.
      if (stored === 'stored') return { ref: refOf(subject, name), digest: sha256Hex(plaintext) };
    }
  }

  async get(ref: string): Promise<string | undefined> {
    const found = await this.find(ref);
    return found.kind === 'found' ? found.plaintext : undefined;
  }

  async find(ref: string): Promise<FoundSecret> {
    const parsed = parseRef(ref);
    if (parsed === undefined) return { kind: 'unknown' };
    const { subject, name } = parsed;
    const found = await this.rows.get(subject, name);
    if (found !== undefined) {
      const key = this.unwrap(subject, found.key);
      return { kind: 'found', plaintext: unseal(key, found.row.sealed, bound(subject, name)).toString() };
    }
    const left = await this.rows.key(subject);
    return left?.kind === 'ended' ? { kind: 'shredded', atMs: left.atMs } : { kind: 'unknown' };
  }

  async shred(subject: string): Promise<ShreddedSubject> {
    const { keyId, names, atMs } = await this.rows.end(subject);
    await failpoint('secret.shredded');
    return { keyId, names, atMs };
  }

  private newKey(subject: string): KeyRow {
    const keyId = this.ids.uuid();
    return {
      kind: 'key',
      keyId,
      wrapped: seal(this.masterKey, this.random.bytes(32), bound(subject, `key:${keyId}`), this.random),
    };
  }

  private unwrap(subject: string, key: KeyRow): Uint8Array {
    return unseal(this.masterKey, key.wrapped, bound(subject, `key:${key.keyId}`));
  }
}

const bound = (subject: string, name: string): string => canonicalJson(['drover secret', subject, name]);

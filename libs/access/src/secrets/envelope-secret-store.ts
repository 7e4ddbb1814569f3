import { failpoint, RefusedError, sha256Hex, type Ids, type Random } from '#kernel';
import { shreddedRefusal, type FoundSecret, type SecretStore, type ShreddedSubject } from '../ports.js';
import { fixedMasterKey, type MasterKeyRing } from './master-keys.js';
import { seal, unseal } from './sealing.js';
import { bound, MasterKeyMissingError, unwrapKey, wrapKey } from './wrapping.js';
import type { KeyRow, SecretRows } from './secret-rows.js';

/** A reference is `subject#name`; both may stand in events, neither is secret. */
const refOf = (subject: string, name: string): string => `${subject}#${name}`;
const parseRef = (ref: string): { subject: string; name: string } | undefined => {
  const at = ref.indexOf('#');
  return at <= 0 ? undefined : { subject: ref.slice(0, at), name: ref.slice(at + 1) };
};

/** AES-256-GCM with a data key per subject, wrapped by the master key. What is sealed is bound to its subject and name. */
export class EnvelopeSecretStore implements SecretStore {
  private readonly keys: MasterKeyRing;

  constructor(
    private readonly rows: SecretRows,
    masterKey: Uint8Array | MasterKeyRing,
    private readonly random: Pick<Random, 'bytes'>,
    private readonly ids: Ids,
  ) {
    this.keys = masterKey instanceof Uint8Array ? fixedMasterKey(masterKey) : masterKey;
  }

  async put(
    subject: string,
    name: string,
    plaintext: string,
  ): Promise<{ readonly ref: string; readonly digest: string }> {
    if (subject === '' || subject.includes('#')) throw new RangeError('a subject must not be empty or contain #');
    for (;;) {
      const key = (await this.rows.key(subject)) ?? (await this.rows.addKey(subject, this.newKey(subject)));
      if (key === 'stale') {
        await this.adoptMasterKey();
        continue;
      }
      if (key.kind === 'ended') throw new RefusedError(shreddedRefusal(refOf(subject, name), key.atMs));
      await failpoint('secret.key_made');
      const sealed = seal(await this.unwrap(subject, key), Buffer.from(plaintext), bound(subject, name), this.random);
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
      const key = await this.unwrap(subject, found.key);
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
    const { bytes, fingerprint } = this.keys.current;
    return {
      kind: 'key',
      keyId,
      wrapped: wrapKey(bytes, subject, keyId, this.random.bytes(32), this.random),
      wrappedBy: fingerprint,
    };
  }

  private async unwrap(subject: string, { keyId, wrapped, wrappedBy }: KeyRow): Promise<Uint8Array> {
    if (this.keys.find(wrappedBy).length === 0) await this.keys.refresh(await this.rows.validKey());
    return unwrapKey(this.keys.find(wrappedBy), subject, keyId, wrapped);
  }

  /** The master key was replaced by another process; this one has the next one beside its own, and takes it. */
  private async adoptMasterKey(): Promise<void> {
    const valid = await this.rows.validKey();
    await this.keys.refresh(valid);
    if (valid !== undefined && this.keys.current.fingerprint !== valid) throw new MasterKeyMissingError();
  }
}

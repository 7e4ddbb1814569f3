import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { isoTime, type Clock } from '#kernel';
import type { SecretStore } from '#access';
import { keyIdOf, keyMessage, type KeyBody, type KeyRecord } from '../proof/keys.js';
import type { SealStore } from './seal-store.js';

const SUBJECT = 'audit-keys';
const refOf = (keyId: string): string => `${SUBJECT}#${keyId}`;

export interface SigningKey {
  readonly record: KeyRecord;
  sign(message: Uint8Array): string;
}

/**
 * The Ed25519 keys of the seals. Public halves are published beside the seals, each signed by the one before; private halves
 * are in the secret store, encrypted under the master key of the data directory, and leave it in memory only.
 */
export class KeyRing {
  private cached: SigningKey | undefined;

  constructor(
    private readonly store: SealStore,
    private readonly secrets: SecretStore,
    private readonly clock: Pick<Clock, 'wallMs'>,
  ) {}

  /** The key whose turn it is; made when there was never one. */
  async current(): Promise<SigningKey> {
    const record = (await this.records()).at(-1);
    if (record === undefined) {
      await this.add('first-key', undefined);
      return this.current();
    }
    if (this.cached?.record.key !== record.key) this.cached = await this.open(record);
    return this.cached;
  }

  /** Throws where they are not as many as were added: the store would take no further one, however often it is offered. */
  private async records(): Promise<readonly KeyRecord[]> {
    const { keySeq } = await this.store.head();
    const records = await this.store.keys();
    // One that was added in between is counted by now.
    const counted = records.length > keySeq ? (await this.store.head()).keySeq : keySeq;
    if (records.length >= keySeq && records.length <= counted) return records;
    throw new Error(
      `audit.keys has ${records.length} keys of the seals where audit.head counts ${counted}: was a row removed? Run verify_audit`,
    );
  }

  /** Puts a new key in the place of the current one; the same command again answers the same key. */
  async rotate(commandId: string): Promise<KeyRecord> {
    for (;;) {
      const done = await this.store.keyOfCommand(commandId);
      if (done !== undefined) return done;
      await this.add(commandId, await this.current());
    }
  }

  /** The private key is stored before anybody can be asked to use it; one that lost the race is written over. */
  private async add(commandId: string, before: SigningKey | undefined): Promise<void> {
    const pair = generateKeyPairSync('ed25519');
    const publicDer = pair.publicKey.export({ type: 'spki', format: 'der' });
    const key = keyIdOf(publicDer);
    await this.secrets.put(SUBJECT, key, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
    const body: KeyBody = {
      v: 1,
      seq: (before?.record.seq ?? 0) + 1,
      key,
      public_key: publicDer.toString('base64'),
      previous: before?.record.key ?? null,
      after_seal: (await this.store.head()).sealSeq,
      created_at: isoTime(this.clock.wallMs()),
    };
    const signature = (before ?? signer(pair.privateKey)).sign(keyMessage(body));
    if ((await this.store.addKey({ ...body, signature }, commandId)) === 'added') return;
    // Only what nobody was shown is written over; a published one has signed, or will.
    const published = (await this.store.keys()).some((record) => record.key === key);
    if (!published) await this.secrets.put(SUBJECT, key, '');
  }

  private async open(record: KeyRecord): Promise<SigningKey> {
    const pem = await this.secrets.get(refOf(record.key));
    if (pem === undefined) throw new Error(`the private key of ${record.key} is not in the secret store`);
    const key = createPrivateKey(pem);
    const publicDer = createPublicKey(key).export({ type: 'spki', format: 'der' });
    if (keyIdOf(publicDer) !== record.key) throw new Error(`the private key of ${record.key} does not fit it`);
    return { record, ...signer(key) };
  }
}

const signer = (key: KeyObject) => ({
  sign: (message: Uint8Array): string => sign(null, message, key).toString('base64'),
});

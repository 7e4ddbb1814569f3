import { createHmac } from 'node:crypto';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { failpoint, type Random } from '#kernel';
import { createOnce, readIfThere, syncFolder } from '../private-files.js';

export interface MasterKey {
  /** Gives nothing away: 256-bit keys cannot be guessed. */
  readonly fingerprint: string;
  readonly bytes: Uint8Array;
}

export const masterKeyOf = (bytes: Uint8Array): MasterKey => {
  if (bytes.length !== 32) throw new RangeError('the master key must have 32 bytes');
  return { bytes, fingerprint: createHmac('sha256', bytes).update('drover platform identity').digest('hex') };
};

/** The master keys that a process has. */
export interface MasterKeyRing {
  /** New data keys are wrapped by it. */
  readonly current: MasterKey;
  /** Those that may have wrapped a data key; null: it does not say which. */
  find(fingerprint: string | null): readonly MasterKey[];
  /** Looks again, because one was missing. `valid`: the platform's master key as the database has it. */
  refresh(valid: string | undefined): Promise<void>;
}

/** One key for good. */
export const fixedMasterKey = (bytes: Uint8Array): MasterKeyRing => {
  const current = masterKeyOf(bytes);
  const find = (fingerprint: string | null) =>
    fingerprint === null || fingerprint === current.fingerprint ? [current] : [];
  return { current, find, refresh: async () => undefined };
};

const CURRENT = 'master.key';
const NEXT = 'master.key.next';

/**
 * The master key of a data directory (`master.key`, 0600, 32 bytes as hex; made at the first start), and while it is being
 * replaced the next one beside it (`master.key.next`). Keys that were loaded once are remembered until the process ends: a row
 * that was read a moment ago may still be wrapped by the one before.
 */
export class MasterKeys implements MasterKeyRing {
  private readonly known = new Map<string, MasterKey>();
  private nextKey: MasterKey | undefined;

  private constructor(
    readonly dataDir: string,
    private readonly random: Pick<Random, 'bytes'>,
    private currentKey: MasterKey,
  ) {
    this.known.set(currentKey.fingerprint, currentKey);
  }

  static async open(dataDir: string, random: Pick<Random, 'bytes'>): Promise<MasterKeys> {
    const path = join(dataDir, CURRENT);
    const keys = new MasterKeys(dataDir, random, parse(path, await createOnce(path, fresh(random))));
    await keys.refresh(undefined);
    return keys;
  }

  get current(): MasterKey {
    return this.currentKey;
  }

  get next(): MasterKey | undefined {
    return this.nextKey;
  }

  get fingerprints(): readonly string[] {
    return [...new Set([this.currentKey, ...(this.nextKey === undefined ? [] : [this.nextKey])].map(fingerprintOf))];
  }

  find(fingerprint: string | null): readonly MasterKey[] {
    if (fingerprint === null) return [...this.known.values()];
    const found = this.known.get(fingerprint);
    return found === undefined ? [] : [found];
  }

  async refresh(valid: string | undefined): Promise<void> {
    const path = join(this.dataDir, CURRENT);
    const text = await readIfThere(path);
    if (text === undefined) throw new Error(`${path} is gone; restore it from a backup`);
    this.currentKey = this.remember(parse(path, text));
    const next = await readIfThere(join(this.dataDir, NEXT));
    this.nextKey = next === undefined ? undefined : this.remember(parse(join(this.dataDir, NEXT), next));
    if (this.nextKey !== undefined && this.nextKey.fingerprint === valid) await this.promote(this.nextKey);
  }

  /** The key that is to take the place of the current one; the same one until it has. */
  async prepare(): Promise<MasterKey> {
    const path = join(this.dataDir, NEXT);
    this.nextKey = this.remember(parse(path, await createOnce(path, fresh(this.random))));
    return this.nextKey;
  }

  /** One step on the disk: at no moment there is no master key. */
  private async promote(next: MasterKey): Promise<void> {
    await rename(join(this.dataDir, NEXT), join(this.dataDir, CURRENT));
    await syncFolder(this.dataDir);
    this.currentKey = next;
    this.nextKey = undefined;
    await failpoint('master_key.promoted');
  }

  private remember(key: MasterKey): MasterKey {
    this.known.set(key.fingerprint, key);
    return key;
  }
}

const fingerprintOf = ({ fingerprint }: MasterKey): string => fingerprint;
const fresh = (random: Pick<Random, 'bytes'>): string => `${Buffer.from(random.bytes(32)).toString('hex')}\n`;

const parse = (path: string, text: string): MasterKey => {
  const hex = text.trim();
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new Error(`${path} does not hold 32 bytes as hex; restore it from a backup`);
  return masterKeyOf(Buffer.from(hex, 'hex'));
};

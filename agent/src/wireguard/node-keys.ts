import { failpoint, type Random } from '#kernel';
import type { Files } from '../ports.js';
import { loadOrMakeKey, newPrivateKey, publicKeyOf } from './keys.js';

export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}
export interface NextKey extends KeyPair {
  /** The change of key that it belongs to, as the platform numbers them. */
  readonly rotation: number;
}

const pairOf = (privateKey: string): KeyPair => ({ privateKey, publicKey: publicKeyOf(privateKey) });

/**
 * The keys of this node for one network: the one in use and, while it is being changed, the one to come. Each is a file of
 * mode 0600 that never leaves the node. Taking a key up is one rename, so that a crash at any point finds one of the two.
 */
export class NodeKeys {
  private present: KeyPair | undefined;
  private next: NextKey | undefined;
  private loading: Promise<void> | undefined;

  constructor(
    private readonly files: Files,
    private readonly random: Random,
    private readonly path: string,
  ) {}

  async current(): Promise<KeyPair> {
    // Whoever asks while the first key is being written gets that one: a second one would replace it once it is announced.
    if (this.present === undefined) await (this.loading ??= this.load().finally(() => (this.loading = undefined)));
    return this.present!;
  }

  async upcoming(): Promise<NextKey | undefined> {
    await this.current();
    return this.next;
  }

  /** A key for this rotation: the one that was made for it before, or a new one. */
  async prepare(rotation: number): Promise<NextKey> {
    const known = await this.upcoming();
    if (known?.rotation === rotation) return known;
    const made = { ...pairOf(newPrivateKey(this.random)), rotation };
    await this.files.write(this.nextPath, `${made.privateKey}\n${rotation}\n`, 0o600);
    await failpoint('agent.key_prepared');
    this.next = made;
    return made;
  }

  /** Nobody waits for it any more. */
  async drop(): Promise<void> {
    if ((await this.upcoming()) === undefined) return;
    await this.files.remove(this.nextPath);
    this.next = undefined;
  }

  /** Makes the key to come the one in use. On disk first: an interface must never run a key that a restart would take back. */
  async takeUp(publicKey: string): Promise<'taken' | 'in_use' | 'unknown'> {
    if ((await this.current()).publicKey === publicKey) return 'in_use';
    const { next } = this;
    if (next?.publicKey !== publicKey) return 'unknown';
    await this.files.write(this.path, `${next.privateKey}\n`, 0o600);
    await failpoint('agent.key_taken');
    this.present = { privateKey: next.privateKey, publicKey };
    await this.drop();
    return 'taken';
  }

  /** The present one is set last: who sees it sees the next one too. */
  private async load(): Promise<void> {
    const present = pairOf(await loadOrMakeKey(this.files, this.path, this.random));
    const [key, rotation] = ((await this.files.read(this.nextPath))?.toString('utf8') ?? '').trim().split('\n');
    const isWhole = Buffer.from(key ?? '', 'base64').length === 32 && /^\d+$/.test(rotation ?? '');
    // A crash while it was taken up leaves it behind.
    if (!isWhole || publicKeyOf(key!) === present.publicKey) await this.files.remove(this.nextPath);
    else this.next = { ...pairOf(key!), rotation: Number(rotation) };
    this.present = present;
  }

  private get nextPath(): string {
    return `${this.path.replace(/\.key$/, '')}.next.key`;
  }
}

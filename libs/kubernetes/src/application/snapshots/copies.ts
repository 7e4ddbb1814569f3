import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { uuidOf, type Random } from '#kernel';
import type { SecretStore } from '#access';

const IV = 12;
const TAG = 16;

export interface Copied {
  readonly size: number;
  readonly sha256: string;
  /** Where the secret store keeps the key of this copy; it is shredded with the cluster. */
  readonly storeRef: string;
}

/**
 * The platform's own copies of snapshots, each encrypted with a key of its own (AES-256-GCM): a snapshot holds every secret of a
 * cluster. On disk: iv, ciphertext, tag. With several platform processes the folder must be shared between them.
 */
export class SnapshotCopies {
  constructor(
    private readonly dataDir: string,
    private readonly secrets: SecretStore,
    private readonly random: Random,
  ) {}

  async put(clusterId: string, snapshotId: string, bytes: AsyncIterable<Buffer>): Promise<Copied> {
    const path = this.path(clusterId, snapshotId);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const key = Buffer.from(this.random.bytes(32));
    const { ref } = await this.secrets.put(clusterId, `snapshot_${snapshotId}`, key.toString('base64'));
    const iv = Buffer.from(this.random.bytes(IV));
    const cipher = createCipheriv('aes-256-gcm', key, iv);
    const hash = createHash('sha256');
    let size = 0;
    const sealed = async function* () {
      yield iv;
      for await (const chunk of bytes) {
        size += chunk.length;
        hash.update(chunk);
        yield cipher.update(chunk);
      }
      yield cipher.final();
      yield cipher.getAuthTag();
    };
    const temporary = `${path}.part`;
    try {
      await pipeline(Readable.from(sealed()), createWriteStream(temporary, { mode: 0o600, flush: true }));
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    return { size, sha256: hash.digest('hex'), storeRef: ref };
  }

  /** The plain bytes. Throws at the end when they are not what was stored: whoever gets them must not use them before that. */
  async *read(clusterId: string, snapshotId: string, storeRef: string): AsyncGenerator<Buffer> {
    const path = this.path(clusterId, snapshotId);
    const key = await this.secrets.get(storeRef);
    if (key === undefined) throw new Error('the key of this copy is shredded');
    const { size } = await stat(path).catch(() => {
      throw new Error('this platform process has no copy of it: the snapshots folder is another one');
    });
    const ends = await open(path, 'r');
    const iv = Buffer.alloc(IV);
    const tag = Buffer.alloc(TAG);
    try {
      await ends.read(iv, 0, IV, 0);
      await ends.read(tag, 0, TAG, size - TAG);
    } finally {
      await ends.close();
    }
    const decipher = createDecipheriv('aes-256-gcm', Buffer.from(key, 'base64'), iv).setAuthTag(tag);
    if (size > IV + TAG) {
      for await (const chunk of createReadStream(path, { start: IV, end: size - TAG - 1 }))
        yield decipher.update(chunk as Buffer);
    }
    decipher.final();
  }

  async delete(clusterId: string, snapshotId: string): Promise<void> {
    await rm(this.path(clusterId, snapshotId), { force: true });
  }

  private path(clusterId: string, snapshotId: string): string {
    return join(this.dataDir, 'snapshots', uuidOf(clusterId), uuidOf(snapshotId));
  }
}

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Large files, streamed. */
export interface SnapshotFiles {
  read(path: string): Promise<{ readonly size: number; readonly bytes: AsyncIterable<Buffer> }>;
  /** Atomic, 0600. Rejects, and leaves nothing, when the bytes are not the expected ones. */
  write(
    path: string,
    expected: { readonly size: number; readonly sha256: string },
    bytes: AsyncIterable<Buffer>,
  ): Promise<void>;
}

export const systemSnapshotFiles: SnapshotFiles = {
  async read(path) {
    const { size } = await stat(path);
    return { size, bytes: createReadStream(path) as AsyncIterable<Buffer> };
  },
  async write(path, { size, sha256 }, bytes) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const temporary = `${path}.part`;
    const hash = createHash('sha256');
    let got = 0;
    const counted = async function* () {
      for await (const chunk of bytes) {
        got += chunk.length;
        hash.update(chunk);
        yield chunk;
      }
    };
    try {
      await pipeline(Readable.from(counted()), createWriteStream(temporary, { mode: 0o600, flush: true }));
      if (got !== size || hash.digest('hex') !== sha256)
        throw new Error(`what came is not the file that was announced (${got} of ${size} bytes)`);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  },
};

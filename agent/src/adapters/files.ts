import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  copyFile,
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  rmdir,
  statfs,
  symlink,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Files } from '../ports.js';
import { errorCode } from './error-code.js';
import { removeWithin } from './remove-within.js';

const missing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '');

const KEPT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST', 'EBUSY']);

const syncFolder = async (path: string): Promise<void> => {
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
};

let serial = 0;

/** What is written under another name becomes `path` whole or not at all; on a full disk nothing of it stays to fill it more. */
const replacing = async (path: string, make: (temporary: string) => Promise<void>): Promise<void> => {
  const temporary = `${path}.${process.pid}.${++serial}.tmp`;
  try {
    await make(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw namingPath(error, path);
  }
  await syncFolder(path);
};

/** Node names the file that cannot be opened, but not the one that there is no room for. */
const namingPath = (error: unknown, path: string): unknown =>
  error instanceof Error && errorCode(error) !== undefined && !error.message.includes(path)
    ? Object.assign(new Error(`${error.message} '${path}'`, { cause: error }), { code: errorCode(error) })
    : error;

export const systemFiles: Files = {
  async read(path) {
    try {
      return await readFile(path);
    } catch (error) {
      if (missing(error)) return undefined;
      throw error;
    }
  },
  async write(path, data, mode = 0o600) {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await replacing(path, async (temporary) => {
      const file = await open(temporary, 'w', mode);
      try {
        await file.chmod(mode);
        await file.writeFile(data);
        await file.sync();
      } finally {
        await file.close();
      }
    });
  },
  async remove(path) {
    await rm(path, { force: true });
  },
  async removeTree(path) {
    await rm(path, { force: true, recursive: true });
  },
  async resolved(path) {
    try {
      return await realpath(path);
    } catch (error) {
      if (missing(error)) return undefined;
      throw error;
    }
  },
  removeWithin: (path, options) => removeWithin(path, options),
  async move(from, to) {
    await rename(from, to);
    await syncFolder(to);
  },
  async installExecutable(from, to) {
    await mkdir(dirname(to), { recursive: true });
    await replacing(to, async (temporary) => {
      await copyFile(from, temporary);
      await chmod(temporary, 0o755);
    });
  },
  async digest(path) {
    const hash = createHash('sha256');
    try {
      await pipeline(createReadStream(path), hash);
    } catch (error) {
      if (missing(error)) return undefined;
      throw error;
    }
    return hash.digest('hex');
  },
  async link(target, path) {
    await mkdir(dirname(path), { recursive: true });
    await replacing(path, (temporary) => symlink(target, temporary));
  },
  async linkTarget(path) {
    try {
      return await readlink(path);
    } catch (error) {
      if (missing(error) || errorCode(error) === 'EINVAL') return undefined;
      throw error;
    }
  },
  async list(path) {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      if (missing(error)) return [];
      throw error;
    }
  },
  async space(path) {
    for (let at = path; ; at = dirname(at)) {
      try {
        const { bavail, blocks, bsize } = await statfs(at);
        return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
      } catch (error) {
        if (!missing(error)) throw error;
        if (at === dirname(at)) return undefined;
      }
    }
  },
  async removeIfEmpty(path) {
    try {
      await rmdir(path);
    } catch (error) {
      if (!KEPT.has(errorCode(error) ?? '')) throw error;
    }
  },
};

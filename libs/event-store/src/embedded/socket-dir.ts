import { chmod, chown, lstat, mkdir, realpath, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256Hex } from '#kernel';
import { EmbeddedPostgresError } from './errors.js';

/** sun_path holds 108 bytes with its closing zero. */
const MAX_SOCKET_PATH = 107;
export const SOCKET_PORT = 5432;

export const socketPath = (dir: string): string => join(dir, `.s.PGSQL.${SOCKET_PORT}`);

/** Postgres listens in the data directory, or, where that path is too long, in a short private folder derived from it. */
export const chooseSocketDir = async (home: string, temp = tmpdir()): Promise<string> => {
  const near = join(home, 'run');
  const dir =
    Buffer.byteLength(socketPath(near)) <= MAX_SOCKET_PATH
      ? near
      : join(temp, `drover-pg-${sha256Hex(await realpath(home)).slice(0, 16)}`);
  if (Buffer.byteLength(socketPath(dir)) > MAX_SOCKET_PATH) {
    throw new EmbeddedPostgresError(
      `no short enough folder for the Postgres socket: both ${near} and ${dir} are too long`,
    );
  }
  await mkdir(dir, { recursive: true, mode: 0o700 });
  return dir;
};

/** A shared temporary folder is open to everyone: a folder of that name that is not ours is refused, not used. */
export const secureSocketDir = async (dir: string, home: string): Promise<void> => {
  const [info, owner] = [await lstat(dir), await lstat(home)];
  const ours = info.isDirectory() && (info.uid === owner.uid || info.uid === process.getuid?.());
  if (!ours) throw new EmbeddedPostgresError(`${dir} belongs to someone else; remove it or set TMPDIR`);
  if (info.uid !== owner.uid) {
    await chown(dir, owner.uid, owner.gid);
  }
  await chmod(dir, 0o700);
};

/** Leaves nothing behind in the temporary folder; a folder that is in use again already is left alone. */
export const removeSocketDir = async (dir: string, home: string): Promise<void> => {
  if (dir.startsWith(home)) return;
  try {
    await rmdir(dir);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
};

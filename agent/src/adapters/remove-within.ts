import { constants } from 'node:fs';
import { open, readdir, readFile, rmdir, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './error-code.js';

const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const MOUNTED = 'a file system is mounted there';

interface Walk {
  /** Of the folder that everything began with. */
  readonly mount: string;
  readonly around: readonly string[];
  readonly left: string[];
}

/** Which mount an open folder is of: unlike its device, this also tells a bind mount of the same disk. */
const mountOf = async (folder: FileHandle): Promise<string> => {
  const found = /^mnt_id:\s*(\d+)/m.exec(await readFile(`/proc/self/fdinfo/${folder.fd}`, 'utf8'))?.[1];
  if (found === undefined) throw new Error('it cannot be seen what is mounted here');
  return found;
};

/** Undefined when it is gone; why it is not otherwise. */
const attempt = async (act: Promise<void>): Promise<string | undefined> => {
  try {
    await act;
    return undefined;
  } catch (error) {
    const code = errorCode(error);
    return code === 'ENOENT' ? undefined : code === 'EBUSY' ? MOUNTED : (code ?? String(error));
  }
};

/** By its open folder, not by its name: nothing that is moved, linked or mounted meanwhile can lead out of it. */
const empty = async (folder: FileHandle, path: string, walk: Walk, last?: string): Promise<void> => {
  const at = `/proc/self/fd/${folder.fd}`;
  for (const entry of await readdir(at, { withFileTypes: true })) {
    if (entry.name === last) continue;
    const child = join(path, entry.name);
    const place = `${at}/${entry.name}`;
    const before = walk.left.length;
    if (walk.around.includes(child)) walk.left.push(`${child}: ${MOUNTED}`);
    else if (entry.isDirectory()) await enter(place, child, walk);
    if (walk.left.length > before) continue;
    const why = await attempt(entry.isDirectory() ? rmdir(place) : unlink(place));
    if (why !== undefined) walk.left.push(`${child}: ${why}`);
  }
};

const enter = async (place: string, path: string, walk: Walk): Promise<void> => {
  const folder = await open(place, FOLDER).catch((error: unknown) => errorCode(error) ?? String(error));
  if (typeof folder === 'string') return void (folder === 'ENOENT' || walk.left.push(`${path}: ${folder}`));
  try {
    if ((await mountOf(folder)) === walk.mount) await empty(folder, path, walk);
    else walk.left.push(`${path}: ${MOUNTED}`);
  } finally {
    await folder.close();
  }
};

export const removeWithin = async (
  path: string,
  { last, around = [] }: { readonly last?: string | undefined; readonly around?: readonly string[] } = {},
): Promise<readonly string[]> => {
  const folder = await open(path, FOLDER);
  const left: string[] = [];
  try {
    await empty(folder, path, { mount: await mountOf(folder), around, left }, last);
    if (last !== undefined) await attempt(unlink(`/proc/self/fd/${folder.fd}/${last}`));
  } finally {
    await folder.close();
  }
  if (left.length > 0) return left;
  const why = await attempt(rmdir(path));
  // A disk of its own is emptied, and stays.
  return why === undefined || why === MOUNTED ? [] : [`${path}: ${why}`];
};

import { link, mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

let temporaries = 0;

const writeTemporary = async (path: string, text: string): Promise<string> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = join(dirname(path), `.${process.pid}-${++temporaries}.tmp`);
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return temporary;
};

const isCode = (error: unknown, code: string): boolean => (error as { code?: unknown }).code === code;

/** Undefined when there is no such file. */
export const readIfThere = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
};

/**
 * Creates a file of mode 0600, whole or not at all, unless it exists; answers what the file holds afterwards. Of several
 * processes that start at once on one data directory one writes and all read the same.
 */
export const createOnce = async (path: string, text: string): Promise<string> => {
  const temporary = await writeTemporary(path, text);
  try {
    await link(temporary, path);
    await syncFolder(dirname(path));
    return text;
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
    return await readFile(path, 'utf8');
  } finally {
    await unlink(temporary);
  }
};

/** Replaces a file atomically, mode 0600. */
export const replaceFile = async (path: string, text: string): Promise<void> => {
  const temporary = await writeTemporary(path, text);
  await rename(temporary, path);
  await syncFolder(dirname(path));
};

import { join, relative } from 'node:path';
import type { Files, Processes } from '../../ports.js';

const WHERE = '/proc/self/mounts';

/** Mount points at or below a path, the deepest first. Spaces and the like are written in octal there. */
export const mountsAt = async (files: Pick<Files, 'read'>, path: string): Promise<readonly string[]> => {
  const text = (await files.read(WHERE))?.toString('utf8') ?? '';
  const points = text
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .map((point) => point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))));
  const below = points.filter((point) => point === path || point.startsWith(join(path, '/')));
  return [...new Set(below)].sort((a, b) => (a < b ? 1 : -1));
};

/**
 * The path as the kernel names it; undefined when nothing is there. Throws where a link on the way leads elsewhere: what is
 * there has another name in the list of mounts, and an operator put it there.
 */
export const straight = async (
  files: Pick<Files, 'resolved'>,
  root: string,
  path: string,
): Promise<string | undefined> => {
  const real = await files.resolved(path);
  if (real === undefined) return undefined;
  if (real !== join((await files.resolved(root)) ?? root, relative(root, path)))
    throw new Error(`a link leads to ${real}; it is left alone`);
  return real;
};

/** As the kernel does it; what is still in use is let go as soon as it is not, and cannot be reached from here any more. */
export const unmount = async (processes: Pick<Processes, 'run'>, point: string): Promise<void> => {
  if ((await processes.run('umount', ['-f', point])).code === 0) return;
  const lazily = await processes.run('umount', ['-l', point]);
  if (lazily.code !== 0) throw new Error(`umount ${point}: ${lazily.stderr.trim()}`);
};

/**
 * Removes a tree, and nothing of a file system that somebody mounted in it: a volume that could not be unmounted, or an
 * operator's disk. Answers what is left. A disk that is mounted at the path itself is emptied. `last` goes last.
 */
export const removeAround = async (
  files: Files,
  root: string,
  path: string,
  last?: string,
): Promise<readonly string[]> => {
  const real = await straight(files, root, path);
  if (real === undefined) return [];
  const around = (await mountsAt(files, real)).filter((point) => point !== real);
  return files.removeWithin(real, { last, around });
};

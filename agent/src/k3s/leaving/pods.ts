import { join } from 'node:path';
import type { Files, Processes } from '../../ports.js';

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly program: string;
}

/** The shims of this K3s's containerd and all that runs below them; of no other containerd. */
export const podProcesses = (all: readonly ProcessEntry[], dataDir: string): readonly number[] => {
  const place = join(dataDir, 'data/');
  const isShim = ({ program }: ProcessEntry) =>
    program.startsWith(place) && /^[^/]+\/bin\/containerd-shim[^/]*$/.test(program.slice(place.length));
  const found = all.filter(isShim).map(({ pid }) => pid);
  for (let i = 0; i < found.length; i++)
    found.push(...all.filter(({ parent, pid }) => parent === found[i] && !found.includes(pid)).map(({ pid }) => pid));
  return found;
};

/** From /proc itself: a small machine has no `ps`. The parent is the second field behind the name, which may hold anything. */
const entryOf = async (files: Files, pid: string): Promise<ProcessEntry | undefined> => {
  try {
    const stat = (await files.read(`/proc/${pid}/stat`))?.toString('utf8') ?? '';
    const program = (await files.read(`/proc/${pid}/cmdline`))?.toString('utf8').split('\0', 1)[0] ?? '';
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    return parent === undefined ? undefined : { pid: Number(pid), parent: Number(parent), program };
  } catch {
    // It has ended while it was looked at.
    return undefined;
  }
};

/** Pods outlive K3s, so that it can be restarted without them: where it leaves for good, they are ended. */
export const endPods = async (files: Files, processes: Processes, dataDir: string): Promise<number> => {
  const pids = (await files.list('/proc')).filter((name) => /^\d+$/.test(name));
  const all = (await Promise.all(pids.map((pid) => entryOf(files, pid)))).filter((entry) => entry !== undefined);
  return podProcesses(all, dataDir).filter((pid) => processes.kill(pid, 'SIGKILL')).length;
};

import { join } from 'node:path';
import type { Files, Processes } from '../../ports.js';

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly program: string;
  /** Its paths mean something else: it runs in a container, as the K3s of a k3d does. */
  readonly elsewhere?: boolean;
}

type Places = { readonly dataDir: string; readonly versions: string };

/** The shims of this K3s's containerd and all that runs below them; of no other containerd. */
export const podProcesses = (all: readonly ProcessEntry[], dataDir: string): readonly number[] => {
  const place = join(dataDir, 'data/');
  const isShim = ({ program, elsewhere }: ProcessEntry) =>
    elsewhere !== true &&
    program.startsWith(place) &&
    /^[^/]+\/bin\/containerd-shim[^/]*$/.test(program.slice(place.length));
  const found = all.filter(isShim).map(({ pid }) => pid);
  for (let i = 0; i < found.length; i++)
    found.push(...all.filter(({ parent, pid }) => parent === found[i] && !found.includes(pid)).map(({ pid }) => pid));
  return found;
};

const text = async (files: Files, path: string): Promise<string> => (await files.read(path))?.toString('utf8') ?? '';

/** True unless it is sure that a process sees the same files and processes as the agent. */
const isElsewhere = async (files: Files, pid: string): Promise<boolean> => {
  for (const kind of ['mnt', 'pid']) {
    const own = await files.linkTarget(`/proc/self/ns/${kind}`);
    if (own === undefined || (await files.linkTarget(`/proc/${pid}/ns/${kind}`)) !== own) return true;
  }
  return false;
};

/** From /proc itself: a small machine has no `ps`. The parent is the second field behind the name, which may hold anything. */
const entryOf = async (files: Files, pid: string, dataDir: string): Promise<ProcessEntry | undefined> => {
  try {
    const stat = await text(files, `/proc/${pid}/stat`);
    const program = (await text(files, `/proc/${pid}/cmdline`)).split('\0', 1)[0] ?? '';
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    if (parent === undefined) return undefined;
    const elsewhere = program.startsWith(dataDir) && (await isElsewhere(files, pid));
    return { pid: Number(pid), parent: Number(parent), program, elsewhere };
  } catch {
    // It has ended while it was looked at.
    return undefined;
  }
};

const pidsOf = async (files: Files): Promise<readonly string[]> =>
  (await files.list('/proc')).filter((name) => /^\d+$/.test(name));

/** Pods outlive K3s, so that it can be restarted without them: where it leaves for good, they are ended. */
export const endPods = async (files: Files, processes: Processes, dataDir: string): Promise<number> => {
  const pids = await pidsOf(files);
  const all = (await Promise.all(pids.map((pid) => entryOf(files, pid, dataDir)))).filter(
    (entry) => entry !== undefined,
  );
  return podProcesses(all, dataDir).filter((pid) => processes.kill(pid, 'SIGKILL')).length;
};

/** A server or agent of our program. By what is run, not by what it calls itself: `k3s kubectl` of an operator is neither. */
const isK3s = async (files: Files, pid: string, { dataDir, versions }: Places): Promise<boolean> => {
  try {
    const program = (await files.linkTarget(`/proc/${pid}/exe`)) ?? '';
    const isOurs =
      program.startsWith(join(versions, '/')) ||
      (program.startsWith(join(dataDir, 'data/')) && /\/bin\/k3s( \(deleted\))?$/.test(program));
    if (!isOurs || (await isElsewhere(files, pid))) return false;
    return /k3s[- ](server|agent)\b/.test((await text(files, `/proc/${pid}/cmdline`)).replaceAll('\0', ' '));
  } catch {
    // It has ended while it was looked at.
    return false;
  }
};

/** The processes of a K3s of ours that has not ended. */
export const k3sProcesses = async (files: Files, places: Places): Promise<readonly number[]> => {
  const pids = await pidsOf(files);
  const found = await Promise.all(pids.map((pid) => isK3s(files, pid, places)));
  return pids.filter((_, index) => found[index]).map(Number);
};

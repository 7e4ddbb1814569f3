import { sleep, type Timers } from '#kernel';
import type { Files, Processes } from '../ports.js';

interface Ports {
  readonly files: Files;
  readonly processes: Processes;
  readonly timers: Timers;
}

const STOP_MS = 10_000;
const POLL_MS = 50;
const RETRY_MS = 5_000;

/** What there was no room for on disk, by its path: a process that nobody knew of would be started again, beside itself. */
const unwritten = new Map<string, string>();

const save = async ({ files }: Pick<Ports, 'files'>, path: string, text: string): Promise<void> => {
  unwritten.set(path, text);
  await files.write(path, text, 0o600);
  unwritten.delete(path);
};

const saveLater = (ports: Ports, path: string): void =>
  void ports.timers.after(RETRY_MS, () => {
    const text = unwritten.get(path);
    if (text !== undefined) void save(ports, path, text).catch(() => saveLater(ports, path));
  });

/** A pid file holds the pid and the process's start time: a pid alone may by now belong to somebody else. */
export const rememberPid = async (ports: Ports, path: string, pid: number): Promise<void> => {
  const text = `${pid} ${(await ports.processes.startTime(pid)) ?? ''}\n`;
  // On a full disk too it goes on: this life of the agent knows it, and the next one as soon as there is room.
  await save(ports, path, text).catch(() => saveLater(ports, path));
};

export const livePid = async (ports: Ports, path: string): Promise<number | undefined> => {
  const text = (unwritten.get(path) ?? (await ports.files.read(path))?.toString('utf8') ?? '').trim();
  const [pid, startTime] = text.split(' ');
  if (pid === undefined || startTime === undefined) return undefined;
  return (await ports.processes.startTime(Number(pid))) === startTime ? Number(pid) : undefined;
};

/** Ends the process by its saved pid: politely, then not. True when there was one. */
export const stopPid = async (ports: Ports, path: string, graceMs = STOP_MS): Promise<boolean> => {
  const pid = await livePid(ports, path);
  if (pid === undefined) return false;
  ports.processes.kill(pid, 'SIGTERM');
  for (let waited = 0; waited < graceMs; waited += POLL_MS) {
    if ((await livePid(ports, path)) === undefined) return true;
    await sleep(ports.timers, POLL_MS);
  }
  ports.processes.kill(pid, 'SIGKILL');
  while ((await livePid(ports, path)) !== undefined) await sleep(ports.timers, POLL_MS);
  return true;
};

export const forgetPid = async (ports: Ports, path: string): Promise<void> => {
  unwritten.delete(path);
  await ports.files.remove(path);
};

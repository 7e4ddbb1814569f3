import { sleep, type Timers } from '#kernel';
import type { Files, Processes } from '../ports.js';

interface Ports {
  readonly files: Files;
  readonly processes: Processes;
  readonly timers: Timers;
}

const STOP_MS = 10_000;
const POLL_MS = 50;

/** A pid file holds the pid and the process's start time: a pid alone may by now belong to somebody else. */
export const rememberPid = async (ports: Ports, path: string, pid: number): Promise<void> => {
  const started = await ports.processes.startTime(pid);
  try {
    await ports.files.write(path, `${pid} ${started ?? ''}\n`, 0o600);
  } catch (error) {
    // On a full disk: what is not written down would be started again, and again, beside itself.
    ports.processes.kill(pid, 'SIGKILL');
    throw error;
  }
};

export const livePid = async (ports: Ports, path: string): Promise<number | undefined> => {
  const text = (await ports.files.read(path))?.toString('utf8').trim() ?? '';
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

export const forgetPid = (ports: Ports, path: string): Promise<void> => ports.files.remove(path);

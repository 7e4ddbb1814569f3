import { execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from './error-code.js';
import type { Piped, PipedHandlers, Processes, RunResult, Spawned, SpawnOptions } from '../ports.js';

/** sbin folders are added because an agent started by hand often lacks them. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
const LIMIT = 16 * 1024 * 1024;

/** Not SIGTERM: a process that is stopped would keep that for when it is woken, and could end first what it had begun. */
const bounded = (limitMs: number | undefined) =>
  limitMs === undefined ? {} : { timeout: limitMs, killSignal: 'SIGKILL' as const };

const run = (command: string, args: readonly string[], input?: string, limitMs?: number): Promise<RunResult> =>
  new Promise((resolve) => {
    const child = execFile(
      command,
      [...args],
      { env: { ...process.env, PATH }, maxBuffer: LIMIT, timeout: 30_000, ...bounded(limitMs) },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
        resolve({ code, stdout, stderr: code === null ? `${stderr}${error?.message ?? ''}` : stderr });
      },
    );
    // A command that exits before it has read its input closes the pipe; its exit code tells the story.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input ?? '');
  });

const spawnDetached = (command: string, args: readonly string[], options: SpawnOptions = {}): Promise<Spawned> => {
  if (options.logFile !== undefined) mkdirSync(dirname(options.logFile), { recursive: true });
  const out = options.logFile === undefined ? 'ignore' : openSync(options.logFile, 'a', 0o600);
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], {
      detached: true,
      stdio: ['ignore', out, out],
      env: { ...process.env, PATH, ...options.env },
    });
    const exited: Spawned['exited'] = new Promise((done) =>
      child.once('exit', (code, signal) => done({ code, signal })),
    );
    child.once('error', reject);
    child.once('spawn', () => {
      child.unref();
      resolve({ pid: child.pid!, exited });
    });
    if (typeof out === 'number') closeSync(out);
  });
};

const openPipe = (command: string, args: readonly string[], handlers: PipedHandlers): Piped => {
  const child = spawn(command, [...args], { stdio: ['pipe', 'ignore', 'pipe'], env: { ...process.env, PATH } });
  let ended = false;
  const end = (reason: string) => {
    if (ended) return;
    ended = true;
    handlers.onEnd(reason);
  };
  child.once('error', (error) => end(error.message));
  child.once('exit', (code, signal) => end(`ended with ${signal ?? code}`));
  child.stderr.setEncoding('utf8').on('data', (text: string) => handlers.onStderr(text));
  // What was written to a child that has just ended is lost; `onEnd` tells.
  child.stdin.on('error', () => undefined);
  return { write: (text) => void child.stdin.write(text), kill: () => void child.kill('SIGKILL') };
};

/** Field 22 of /proc/PID/stat; the command name before it may hold spaces and brackets. Zombies count as gone. */
const startTime = async (pid: number): Promise<string | undefined> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
};

const kill = (pid: number, signal: 'SIGTERM' | 'SIGKILL'): boolean => {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
};

export const systemProcesses: Processes = { run, spawnDetached, openPipe, startTime, kill };

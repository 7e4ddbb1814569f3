import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { CliError } from '../errors.js';

const holderShape = z.object({ pid: z.number(), host: z.string(), began: z.string().nullable(), since: z.string() });
type Holder = z.output<typeof holderShape>;

/** By this process. */
const held = new Set<string>();

/** When a process began, as its system counts: an id is given again. null: the system does not say. */
const beganOf = (pid: number): string | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name may hold blanks and brackets; behind it the fields are plain, and this is the 22nd of all.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
};

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
};

/** Of a process on another machine nobody here can tell. */
const isGone = ({ pid, host, began }: Holder, lock: string): boolean => {
  if (host !== hostname()) return false;
  if (pid === process.pid) return !held.has(lock);
  if (!isAlive(pid)) return true;
  const now = beganOf(pid);
  return began !== null && now !== null && began !== now;
};

const textOf = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

/** undefined: it is being written just now, or it is something else. */
const holderIn = (text: string): Holder | undefined => {
  try {
    return holderShape.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
};

const refused = (file: string, lock: string, holder: Holder | undefined): CliError => {
  const { pid, host, since } = holder ?? {};
  const who = holder === undefined ? `${lock} is there` : `process ${pid} on ${host}, since ${since}`;
  const gone = host === hostname() ? '' : `; if there is none any more, rm ${lock}`;
  return new CliError(`another apply with ${file} is under way`, who, `run it again once that has ended${gone}`, 6);
};

/** False: somebody has it. Throws what is wrong with the folder or the disk. */
const placed = (lock: string, text: string): boolean => {
  let opened: number;
  try {
    opened = openSync(lock, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    writeSync(opened, text);
  } catch (error) {
    rmSync(lock, { force: true });
    throw error;
  } finally {
    closeSync(opened);
  }
  return true;
};

/** Two may find the same dead one: who moved what the other has just taken puts it back. */
const putAside = (lock: string, dead: string): void => {
  const aside = `${lock}.${process.pid}`;
  try {
    renameSync(lock, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (textOf(aside) === dead) rmSync(aside, { force: true });
  else renameSync(aside, lock);
};

const TRIES = 5;

const take = (file: string, lock: string): string => {
  const since = new Date(performance.timeOrigin + performance.now()).toISOString();
  const mine: Holder = { pid: process.pid, host: hostname(), began: beganOf(process.pid), since };
  const text = JSON.stringify(mine);
  mkdirSync(dirname(lock), { recursive: true, mode: 0o700 });
  for (let tries = 0; tries < TRIES; tries++) {
    if (placed(lock, text)) return text;
    const there = textOf(lock);
    if (there === undefined) continue;
    const holder = holderIn(there);
    if (holder === undefined || !isGone(holder, lock)) throw refused(file, lock, holder);
    putAside(lock, there);
  }
  throw refused(file, lock, undefined);
};

/** A folder in which nothing can be written has no records either: what needs one is refused where it is written. */
const taken = (file: string, lock: string): string | undefined => {
  try {
    return take(file, lock);
  } catch (error) {
    if (error instanceof CliError) throw error;
    return undefined;
  }
};

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Whatever ends this process in order leaves nothing behind; after what does not, the next one finds that it is gone. */
const onEnd = (release: () => void): (() => void) => {
  const heard = (signal: NodeJS.Signals): void => {
    // Somebody else ends it in order.
    if (process.listenerCount(signal) > 1) return;
    release();
    process.off(signal, heard);
    process.kill(process.pid, signal);
  };
  process.once('exit', release);
  for (const signal of SIGNALS) process.on(signal, heard);
  return () => {
    process.off('exit', release);
    for (const signal of SIGNALS) process.off(signal, heard);
  };
};

/**
 * One apply of a record at a time: a second one would take what the first has under way for what was cut off, and revoke the grant whose
 * URL the first is about to write down.
 */
export const locked = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
  const lock = `${file}.lock`;
  const text = taken(file, lock);
  if (text === undefined) return work();
  held.add(lock);
  const release = (): void => {
    held.delete(lock);
    if (textOf(lock) === text) rmSync(lock, { force: true });
  };
  const forget = onEnd(release);
  try {
    return await work();
  } finally {
    forget();
    release();
  }
};

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf, signal, startTimeOf } from './processes.js';

const saved = z.object({ pid: z.number().int(), startTime: z.string() });
export type SavedProcess = z.infer<typeof saved>;

const stateSchema = z.object({
  id: z.string(),
  owner: saved,
  level: z.string(),
  base: saved.nullable(),
  hosts: z.record(z.string(), saved),
  /** Everything else that the lab started, to be ended with it. */
  others: z.array(saved),
  env: z.record(z.string(), z.record(z.string(), z.string())),
  /** The platform that the machines belong to, for `drover lab env`. */
  platform: z.object({ url: z.string(), tokenFile: z.string() }).optional(),
});
export type RunState = z.infer<typeof stateSchema>;

const parent = (): string => join(tmpdir(), `drover-lab-${process.getuid?.() ?? 0}`);
const fileOf = (id: string): string => join(parent(), id, 'state.json');
export const runDir = (id: string): string => join(parent(), id);
export const logFile = (id: string, name: string): string => join(runDir(id), 'logs', `${name}.log`);

export const describeProcess = (pid: number): SavedProcess => ({ pid, startTime: startTimeOf(pid) ?? '' });
export const isAlive = ({ pid, startTime }: SavedProcess): boolean =>
  startTime !== '' && startTimeOf(pid) === startTime;

export const createRunDir = (id: string): string => {
  mkdirSync(parent(), { recursive: true, mode: 0o700 });
  chmodSync(parent(), 0o700);
  mkdirSync(runDir(id), { recursive: true, mode: 0o700 });
  return runDir(id);
};

/** The folder of all runs goes with the last of them. */
export const removeRunDir = (id: string): void => {
  rmSync(runDir(id), { recursive: true, force: true });
  try {
    rmdirSync(parent());
  } catch (cause) {
    if (!['ENOTEMPTY', 'ENOENT'].includes(codeOf(cause) ?? '')) throw cause;
  }
};

export const saveState = (state: RunState): void => {
  const path = fileOf(state.id);
  writeFileSync(`${path}.tmp`, JSON.stringify(state, null, 2), { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
};

const load = (id: string): RunState | undefined =>
  existsSync(fileOf(id)) ? stateSchema.parse(JSON.parse(readFileSync(fileOf(id), 'utf8'))) : undefined;

const allRuns = (): string[] => (existsSync(parent()) ? readdirSync(parent()) : []);

/** Labs whose owner lives, newest last. */
export const runningLabs = (): RunState[] =>
  allRuns()
    .map(load)
    .filter((state) => state !== undefined && isAlive(state.owner))
    .map((state) => state!)
    .sort((a, b) => Number(a.owner.startTime) - Number(b.owner.startTime));

export const endProcesses = (state: RunState): void => {
  const all = [...state.others, ...Object.values(state.hosts), ...(state.base === null ? [] : [state.base])];
  for (const one of all) if (isAlive(one)) signal(one.pid, 'SIGKILL');
};

/** Ends what a lab left behind whose owner died without cleaning up; answers the ids. */
export const removeLeftovers = (): string[] => {
  const removed: string[] = [];
  for (const id of allRuns()) {
    const state = load(id);
    if (state === undefined || isAlive(state.owner)) continue;
    endProcesses(state);
    removeRunDir(id);
    removed.push(id);
  }
  return removed;
};

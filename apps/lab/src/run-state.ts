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
  /** The repository that it runs from: a terminal in there means this lab. */
  folder: z.string().optional(),
  /** Of its platform, which may only be about to listen. */
  ports: z.array(z.number().int()).optional(),
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

/** Labs whose owner lives, oldest first. */
export const runningLabs = (): RunState[] =>
  allRuns()
    .map(load)
    .filter((state) => state !== undefined && isAlive(state.owner))
    .map((state) => state!)
    .sort((a, b) => Number(a.owner.startTime) - Number(b.owner.startTime));

export interface Wanted {
  /** DROVER_LAB, which `drover lab env` sets. */
  readonly id?: string | undefined;
  readonly folder: string;
}

/**
 * The lab that a terminal means: the one it names, else a demo before a test's or a bench's lab, one of its own folder before
 * another's, the newest of those.
 */
export const chooseLab = (labs: readonly RunState[], { id, folder }: Wanted): RunState | undefined => {
  if (id !== undefined && id !== '') return labs.find((lab) => lab.id === id);
  const rank = (lab: RunState) => (lab.platform === undefined ? 0 : 2) + (lab.folder === folder ? 1 : 0);
  return labs.reduce<RunState | undefined>(
    (best, lab) => (best === undefined || rank(lab) >= rank(best) ? lab : best),
    undefined,
  );
};

export const endProcesses = (state: RunState): void => {
  const all = [...state.others, ...Object.values(state.hosts), ...(state.base === null ? [] : [state.base])];
  for (const one of all) if (isAlive(one)) signal(one.pid, 'SIGKILL');
};

/** The platform stops by itself when its lab's owner dies; its Postgres would miss its own files only a minute later. */
const endDatabase = (dir: string): void => {
  const file = join(dir, 'data/postgres/cluster/postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  const commandLine = `/proc/${pid}/cmdline`;
  if (existsSync(commandLine) && readFileSync(commandLine, 'utf8').includes(dir)) signal(pid, 'SIGQUIT');
};

/** Ends what a lab left behind whose owner died without cleaning up; answers the ids. */
export const removeLeftovers = (): string[] => {
  const removed: string[] = [];
  for (const id of allRuns()) {
    const state = load(id);
    if (state === undefined || isAlive(state.owner)) continue;
    endProcesses(state);
    endDatabase(runDir(id));
    removeRunDir(id);
    removed.push(id);
  }
  return removed;
};

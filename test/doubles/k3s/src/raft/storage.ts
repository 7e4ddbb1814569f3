import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry, Snapshot } from './types.js';

export interface HardState {
  readonly term: number;
  readonly votedFor: string | null;
}

/** Term, vote, snapshot and log as files. Survives SIGKILL of the process (not a power cut: there is no fsync). */
export class RaftStorage {
  readonly hard: HardState;
  readonly snapshot: Snapshot | undefined;
  readonly entries: Entry[] = [];

  constructor(private readonly dir: string) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.hard = this.read<HardState>('hard-state.json') ?? { term: 0, votedFor: null };
    this.snapshot = this.read<Snapshot>('snapshot.json');
    const log = join(dir, 'log.jsonl');
    const from = this.snapshot?.index ?? 0;
    for (const line of existsSync(log) ? readFileSync(log, 'utf8').split('\n') : []) {
      const entry = parseLine(line);
      if (entry === undefined) break; // a torn last line was never acknowledged
      if (entry.index > from) this.entries.push(entry);
    }
  }

  saveHard(state: HardState): void {
    this.write('hard-state.json', JSON.stringify(state));
  }

  append(entries: readonly Entry[]): void {
    appendFileSync(join(this.dir, 'log.jsonl'), entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''), {
      mode: 0o600,
    });
  }

  rewrite(entries: readonly Entry[]): void {
    this.write('log.jsonl', entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  }

  saveSnapshot(snapshot: Snapshot): void {
    this.write('snapshot.json', JSON.stringify(snapshot));
  }

  private read<T>(name: string): T | undefined {
    const path = join(this.dir, name);
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : undefined;
  }

  private write(name: string, text: string): void {
    const path = join(this.dir, name);
    writeFileSync(`${path}.tmp`, text, { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
  }
}

const parseLine = (line: string): Entry | undefined => {
  if (line === '') return undefined;
  try {
    return JSON.parse(line) as Entry;
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
};

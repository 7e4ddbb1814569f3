import type { RaftStorage } from './storage.js';
import type { Entry, Member, Snapshot } from './types.js';

const COMPACT_AT = 2_000;

/** The log after the last snapshot, with its persistence and the membership it implies. */
export class RaftLog {
  private entries: Entry[];
  private base: Snapshot | undefined;

  constructor(private readonly storage: RaftStorage) {
    this.entries = [...storage.entries];
    this.base = storage.snapshot;
  }

  get snapshot(): Snapshot | undefined {
    return this.base;
  }
  get firstIndex(): number {
    return this.entries[0]?.index ?? this.lastIndex + 1;
  }
  get lastIndex(): number {
    return this.entries.at(-1)?.index ?? this.base?.index ?? 0;
  }
  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? this.base?.term ?? 0;
  }

  at(index: number): Entry | undefined {
    return this.entries[index - this.firstIndex];
  }

  termAt(index: number): number | undefined {
    if (index === 0) return 0;
    if (index === this.base?.index) return this.base.term;
    return this.at(index)?.term;
  }

  from(index: number, limit: number): Entry[] {
    const start = index - this.firstIndex;
    return start < 0 ? [] : this.entries.slice(start, start + limit);
  }

  /** Membership counts from the entry that names it, committed or not. */
  members(upTo = Infinity): readonly Member[] {
    for (let i = this.entries.length - 1; i >= 0; i--) {
      const { command, index } = this.entries[i]!;
      if (index <= upTo && command.kind === 'members') return command.members;
    }
    return this.base?.members ?? [];
  }

  push(entry: Entry): void {
    this.entries.push(entry);
    this.storage.append([entry]);
  }

  /** A follower's append: conflicting tails are cut, entries it has are left alone. */
  merge(entries: readonly Entry[]): void {
    const fresh = entries.filter(
      (entry) => this.termAt(entry.index) !== entry.term && entry.index > (this.base?.index ?? 0),
    );
    if (fresh.length === 0) return;
    const cut = fresh[0]!.index;
    if (cut <= this.lastIndex) {
      this.entries = this.entries.filter((entry) => entry.index < cut);
      this.storage.rewrite([...this.entries, ...fresh]);
    } else this.storage.append(fresh);
    this.entries.push(...fresh);
  }

  install(snapshot: Snapshot): void {
    this.base = snapshot;
    this.entries = [];
    this.storage.saveSnapshot(snapshot);
    this.storage.rewrite([]);
  }

  /** Replaces the applied part of a long log by a snapshot; a follower further behind gets the snapshot. */
  compact(applied: number, serialize: () => string): void {
    if (this.entries.length < COMPACT_AT) return;
    this.base = { index: applied, term: this.termAt(applied)!, members: this.members(applied), state: serialize() };
    this.storage.saveSnapshot(this.base);
    this.entries = this.entries.filter((entry) => entry.index > applied);
    this.storage.rewrite(this.entries);
  }
}

import type { JournalFile } from './journal-file.js';
import type { LogRecord, ProposedEvent } from './record.js';

export type ExpectedState = number | 'any' | 'no_stream' | 'stream_exists';

export type WriteResult =
  | { readonly kind: 'success'; readonly revision: number; readonly position: bigint }
  | { readonly kind: 'wrong_expected_version'; readonly current: number };

/** What a record costs beside its payload: it is why positions have gaps. */
const RECORD_OVERHEAD = 117;

/**
 * The server's log and its rules for a write (IndexWriter.CheckCommit): idempotency by event id is judged against the
 * revisions that the writer expects, and for `any` by remembered ids. Nothing here makes ids unique across streams.
 */
export class ServerLog {
  readonly records: LogRecord[] = [];
  private readonly streams = new Map<string, LogRecord[]>();
  private readonly remembered = new Map<string, LogRecord>();
  private readonly waiters = new Set<() => void>();
  private end = 0n;

  constructor(
    private readonly now: () => number,
    private readonly file?: JournalFile,
  ) {
    for (const record of file?.load() ?? []) this.put(record);
  }

  /** Where the next record will stand. */
  get writerPosition(): bigint {
    return this.end;
  }

  stream(name: string): readonly LogRecord[] {
    return this.streams.get(name) ?? [];
  }

  write(stream: string, expected: ExpectedState, events: readonly ProposedEvent[]): WriteResult {
    const existing = this.stream(stream);
    const current = existing.length - 1;
    const wrong: WriteResult = { kind: 'wrong_expected_version', current };
    if (expected === 'stream_exists' && current < 0) return wrong;
    if (expected === 'any' || expected === 'stream_exists') {
      const known = events.map(({ id }) => this.remembered.get(id)).filter((r) => r?.stream === stream);
      if (known.length === events.length && known.length > 0) return idempotent(known.at(-1)!);
      return this.append(stream, current, events);
    }
    const revision = expected === 'no_stream' ? -1 : expected;
    if (revision > current) return wrong;
    if (revision === current) return this.append(stream, current, events);
    const there = events.map((event, index) => existing[revision + 1 + index]?.id === event.id);
    return there.length > 0 && there.every(Boolean) ? idempotent(existing[revision + events.length]!) : wrong;
  }

  /** The first record at or after a position; the length of the log when there is none. */
  indexAt(position: bigint): number {
    let [low, high] = [0, this.records.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.records[middle]!.position < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A position is readable when a record begins there, or when it is an end of the log. */
  isBoundary(position: bigint): boolean {
    return position === 0n || position === this.end || this.records[this.indexAt(position)]?.position === position;
  }

  /** Resolves with the next write, or when the signal aborts. */
  written(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.waiters.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.waiters.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }

  close(): void {
    this.file?.close();
  }

  private append(stream: string, current: number, events: readonly ProposedEvent[]): WriteResult {
    const createdMs = this.now();
    const written = events.map((event, index) => {
      const record = { ...event, stream, revision: current + 1 + index, createdMs, position: this.end };
      this.put(record);
      return record;
    });
    this.file?.append(written);
    for (const wake of [...this.waiters]) wake();
    return { kind: 'success', revision: current + events.length, position: written.at(-1)?.position ?? 0n };
  }

  private put(record: LogRecord): void {
    this.records.push(record);
    const stream = this.streams.get(record.stream);
    if (stream === undefined) this.streams.set(record.stream, [record]);
    else stream.push(record);
    this.remembered.set(record.id, record);
    const size = record.data.length + record.metadata.length + 2 * (record.stream.length + record.type.length);
    this.end = record.position + BigInt(RECORD_OVERHEAD + size);
  }
}

const idempotent = (record: LogRecord): WriteResult => ({
  kind: 'success',
  revision: record.revision,
  position: record.position,
});

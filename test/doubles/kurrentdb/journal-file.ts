import { closeSync, existsSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { LogRecord } from './record.js';

interface Line {
  readonly position: string;
  readonly stream: string;
  readonly revision: number;
  readonly id: string;
  readonly type: string;
  readonly contentType: string;
  readonly data: string;
  readonly metadata: string;
  readonly createdMs: number;
}

/** Records as JSON lines, one append a write, so that the stand-in may be killed and started again. A torn tail is cut off. */
export class JournalFile {
  private readonly fd: number;

  constructor(private readonly path: string) {
    if (!existsSync(path)) closeSync(openSync(path, 'a'));
    this.fd = openSync(path, 'r+');
  }

  load(): LogRecord[] {
    const text = readFileSync(this.path, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    this.at = Buffer.byteLength(whole);
    ftruncateSync(this.fd, this.at);
    const writes = whole.split('\n').filter((line) => line !== '');
    return writes.flatMap((line) => (JSON.parse(line) as Line[]).map(fromLine));
  }

  /** One line a write, so that a write of several events is there whole or not at all. */
  append(records: readonly LogRecord[]): void {
    const bytes = Buffer.from(`${JSON.stringify(records.map(toLine))}\n`);
    writeSync(this.fd, bytes, 0, bytes.length, this.at);
    fdatasyncSync(this.fd);
    this.at += bytes.length;
  }

  close(): void {
    closeSync(this.fd);
  }

  private at = 0;
}

const toLine = (record: LogRecord): Line => ({
  ...record,
  position: String(record.position),
  data: record.data.toString('base64'),
  metadata: record.metadata.toString('base64'),
});

const fromLine = (line: Line): LogRecord => ({
  ...line,
  position: BigInt(line.position),
  data: Buffer.from(line.data, 'base64'),
  metadata: Buffer.from(line.metadata, 'base64'),
});

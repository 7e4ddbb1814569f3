import { constants } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SinkMovedError, type SealSink } from './seal-sink.js';

const TAIL_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** JSON lines in a file of mode 0600. Only one process appends: the one that leads. */
export class FileSealSink implements SealSink {
  /** The file's size as this process left it. */
  private size: number | undefined;

  constructor(readonly where: string) {}

  async repair(isIncomplete: (line: string) => boolean): Promise<string | undefined> {
    await mkdir(dirname(this.where), { recursive: true, mode: 0o700 });
    const file = await open(this.where, 'a+', 0o600);
    try {
      const { size } = await file.stat();
      let { line, end } = await lastLine(file, size, this.where);
      while (line !== undefined && isIncomplete(line)) {
        ({ line, end } = await lastLine(file, end - Buffer.byteLength(line) - 1, this.where));
      }
      if (end < size) {
        await file.truncate(end);
        await file.sync();
      }
      await syncFolder(dirname(this.where));
      this.size = end;
      return line;
    } finally {
      await file.close();
    }
  }

  async append(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    const file = await this.openToAppend();
    try {
      const { size } = await file.stat();
      if (size !== this.size) throw new SinkMovedError(`${this.where} has ${size} bytes, expected ${this.size}`);
      // Until it is known to be whole, it has to be looked at again.
      this.size = undefined;
      const { bytesWritten } = await file.write(bytes);
      if (bytesWritten !== bytes.length) throw new SinkMovedError(`${this.where}: the disk took a part of a line only`);
      await file.sync();
      this.size = size + bytes.length;
    } finally {
      await file.close();
    }
  }

  async *lines(): AsyncIterable<string> {
    const file = await open(this.where, 'r').catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (file === undefined) return;
    let rest = '';
    for await (const chunk of file.createReadStream({ encoding: 'utf8' })) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop()!;
      yield* lines;
    }
  }

  /** Never creates it: a file that was put aside is seen by its absence. */
  private async openToAppend(): Promise<FileHandle> {
    try {
      return await open(this.where, constants.O_WRONLY | constants.O_APPEND);
    } catch (error) {
      if (isMissing(error)) throw new SinkMovedError(`${this.where} is gone`, { cause: error });
      throw error;
    }
  }
}

/** `end`: where the last whole line ends. */
const lastLine = async (
  file: FileHandle,
  size: number,
  where: string,
): Promise<{ readonly line: string | undefined; readonly end: number }> => {
  const length = Math.min(size, TAIL_BYTES);
  const tail = Buffer.alloc(length);
  await file.read(tail, 0, length, size - length);
  const last = tail.lastIndexOf(NEWLINE);
  if (last < 0) {
    if (size > length) throw new Error(`${where} ends with a line longer than a seal: it is not a file of seals`);
    return { line: undefined, end: 0 };
  }
  const before = last === 0 ? -1 : tail.lastIndexOf(NEWLINE, last - 1);
  return { line: tail.toString('utf8', before + 1, last), end: size - length + last + 1 };
};

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

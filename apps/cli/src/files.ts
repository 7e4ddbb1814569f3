import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { CliError, type ExitCode } from './errors.js';

const WORDS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'this user may keep no more there',
  EROFS: 'that file system can only be read',
  EACCES: 'this user may not do that there',
  EPERM: 'this user may not do that there',
  ENOTDIR: 'a part of that path is a file and no folder',
  EISDIR: 'it is a folder',
  ENOENT: 'there is no such file',
  EEXIST: 'something lies there already',
  EADDRINUSE: 'another program listens there',
  EIO: 'the device does not work',
};

/** What is wrong with a file or a port, in words; the system's own are kept, because people look for them. */
export const troubleOf = (error: unknown): string => {
  const { code = '', message = String(error) } = error as { readonly code?: string; readonly message?: string };
  return WORDS[code] === undefined ? message : `${WORDS[code]} (${code})`;
};

export interface Place {
  readonly file: string;
  /** What to do where it cannot be written. */
  readonly hint: string;
  readonly exitCode?: ExitCode;
}

const attempt = ({ file, hint, exitCode }: Place, write: (draft: string) => void): void => {
  // Its own: another process may write the same file just now, and neither may move what the other has not finished.
  const draft = `${file}.new-${process.pid}`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    write(draft);
  } catch (error) {
    forget(draft);
    throw new CliError(`${file} cannot be written`, troubleOf(error), hint, exitCode ?? 1);
  }
};

/** Half a file helps nobody. Where even this fails, what was wrong before is what is told. */
const forget = (draft: string): void => {
  try {
    rmSync(draft, { force: true });
  } catch {
    return;
  }
};

/** Whole or not at all, and for nobody else's eyes: what was there before stays when the disk is full. */
export const writeWhole = (place: Place, text: string): void =>
  attempt(place, (draft) => {
    writeFileSync(draft, text, { mode: 0o600 });
    renameSync(draft, place.file);
  });

/** A few lines more than there are now. */
const ROOM = ' '.repeat(16_384);

/** Throws where it could not be written later: what is made elsewhere meanwhile must not be lost for that. */
export const mustBeWritable = (place: Place): void =>
  attempt(place, (draft) => {
    writeFileSync(draft, ROOM, { mode: 0o600 });
    rmSync(draft);
  });

import { existsSync, linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { CliError } from './errors.js';
import { troubleOf } from './files.js';

/** More than any of these files is long: a disk that is full says so before anything is spent. */
const ROOM = ' '.repeat(8_192);
const OUT = 'give another place with --out FILE';

const taken = (file: string): CliError =>
  new CliError(
    `${file} is there already`,
    'it may hold the only copy of a key',
    '--out FILE, or --force to replace it',
  );

/**
 * A place for a secret file, taken before the single-use token is spent: what cannot be written must not cost a grant. The
 * content appears at once or not at all, readable by its owner only.
 */
export class SecretFile {
  /** Where the content stands until it is in its place, and after all if it cannot be put there. */
  readonly draft: string;
  readonly path: string;
  private isPrecious = false;

  constructor(
    path: string,
    private readonly replace: boolean,
    hint = OUT,
  ) {
    this.path = resolve(path);
    this.draft = `${this.path}.new-${process.pid}`;
    if (!replace && existsSync(this.path)) throw taken(path);
    try {
      writeFileSync(this.draft, ROOM, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') rmSync(this.draft, { force: true });
      throw new CliError(`${path} cannot be written`, troubleOf(error), hint);
    }
  }

  write(text: string): void {
    try {
      writeFileSync(this.draft, text);
      if (this.replace) return renameSync(this.draft, this.path);
      linkSync(this.draft, this.path);
    } catch (error) {
      this.isPrecious = true;
      const why = `${troubleOf(error)}; the configuration stands in ${this.draft}`;
      throw new CliError(`${this.path} cannot be written`, why, `mv ${this.draft} where you want it`);
    }
    this.discard();
  }

  /** Not once it holds the only copy of a key whose grant is spent. */
  discard(): void {
    if (this.isPrecious) return;
    rmSync(this.draft, { force: true });
  }
}

/** wg-quick calls the interface like the file; undefined where that is no name for one. */
export const interfaceOf = (file: string): string | undefined => /^([\w=+.-]{1,15})\.conf$/.exec(basename(file))?.[1];

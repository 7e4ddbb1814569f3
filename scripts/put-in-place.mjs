import { existsSync, renameSync, rmSync } from 'node:fs';

/** What another one does at the same moment: the folder is gone already, or there already. */
const RACED = ['ENOENT', 'ENOTEMPTY', 'EEXIST'];
const TRIES = 20;

/**
 * Moves the folder `from` to `to`, and what is there to `from`.old. Where others do the same at once, one of them wins; the rest
 * are done when what is there then is as good (`isThere`), and else try again.
 */
export const putInPlace = ({ from, to, isThere, rename = renameSync }) => {
  for (let left = TRIES; !isThere(); left--) {
    try {
      rmSync(`${from}.old`, { recursive: true, force: true });
      if (existsSync(to)) rename(to, `${from}.old`);
      rename(from, to);
      return;
    } catch (error) {
      if (left === 0 || !RACED.includes(error.code)) throw error;
    }
  }
};

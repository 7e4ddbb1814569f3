import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CliError } from '../errors.js';
import { troubleOf } from '../files.js';
import type { Live } from './live.js';
import type { Wanted } from './load.js';
import { recordIn, writeRecord, type ApplyRecord } from './record.js';

interface Owned {
  readonly owner: string;
  readonly file: string;
}

const recordsIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => resolve(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new CliError(`${folder} cannot be read`, troubleOf(error), '--record FILE', 2);
  }
};

const real = (file: string): string => (existsSync(file) ? realpathSync(file) : resolve(file));

interface Other {
  readonly file: string;
  readonly record: ApplyRecord;
}

/** All other records of the same platform: beside this one, and where they are unless somebody says otherwise. */
export const otherRecords = (
  file: string,
  platform: string,
  usualFolder: string | undefined = undefined,
): readonly Other[] => {
  const folders = [dirname(file), ...(usualFolder === undefined ? [] : [usualFolder])];
  const files = new Set(folders.flatMap(recordsIn).map(real));
  files.delete(real(file));
  return [...files].flatMap((path) => {
    const record = recordIn(path);
    return record?.platform === platform ? [{ file: path, record }] : [];
  });
};

/** Whose apply made a thing, by its id. Another record of the same name is of the same fleet. */
export const otherOwners = (others: readonly Other[], set: string): ReadonlyMap<string, Owned> =>
  new Map(
    others
      .filter(({ record }) => record.set !== set)
      .flatMap(({ file, record }) => record.made.map(({ id }): [string, Owned] => [id, { owner: record.set, file }])),
  );

/** What the files name, is there, and was not made by this fleet's apply. */
export interface Foreign {
  readonly wanted: Wanted;
  readonly id: string;
  /** undefined: it was made by hand, or by an apply on another machine. */
  readonly by: Owned | undefined;
}

export const foreign = (
  wanted: readonly Wanted[],
  live: Live,
  record: ApplyRecord,
  owners: ReadonlyMap<string, Owned>,
): readonly Foreign[] => {
  const own = new Set(record.made.map(({ id }) => id));
  return wanted.flatMap((one): Foreign[] => {
    const id = live.things.get(one.key)?.id;
    return typeof id !== 'string' || own.has(id) ? [] : [{ wanted: one, id, by: owners.get(id) }];
  });
};

/** Two fleets that name the same thing would change it to and fro for ever. */
export const refuseOwned = (all: readonly Foreign[]): void => {
  const first = all.find(({ by }) => by !== undefined);
  if (first === undefined) return;
  const { owner, file } = first.by!;
  const why = `${first.wanted.key} belongs to the fleet "${owner}" (${file})`;
  const hint = `take it out of one of the files, or --take-over; --owner ${owner} if these are its files`;
  throw new CliError(first.wanted.at, why, hint, 6);
};

/**
 * From now on all that the files name is this fleet's: its --prune may remove it, and nobody else's may. `others` are read anew, because
 * somebody may have been asked meanwhile. Again, after it was cut off in the middle, it does what is left.
 */
export const takeOver = (
  all: readonly Foreign[],
  named: ReadonlyMap<string, Wanted>,
  record: ApplyRecord,
  file: string,
  others: readonly Other[],
): ApplyRecord => {
  const mine = all.map(({ wanted, id }) => ({ key: wanted.key, kind: wanted.doc.kind, id }));
  const next = { ...record, made: [...record.made, ...mine] };
  if (mine.length > 0) writeRecord(file, next);
  for (const { file: path, record: other } of others) {
    const made = other.made.filter(({ id }) => !named.has(id));
    if (made.length < other.made.length) writeRecord(path, { ...other, made });
  }
  return next;
};

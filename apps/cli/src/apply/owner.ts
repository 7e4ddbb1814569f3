import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CliError } from '../errors.js';
import type { Live } from './live.js';
import type { Wanted } from './load.js';
import { recordIn, writeRecord, type ApplyRecord } from './record.js';

interface Owned {
  readonly owner: string;
  readonly file: string;
  readonly record: ApplyRecord;
}

/** Whose apply made a thing, by its id: the other records that lie beside this one, of the same platform. */
export const otherOwners = (file: string, { platform, set }: ApplyRecord): ReadonlyMap<string, Owned> => {
  const folder = dirname(file);
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw new CliError(`${folder} cannot be read`, (error as Error).message, '--record FILE', 2);
  }
  const records = names
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => {
      const path = join(folder, name);
      const record = recordIn(path);
      return record === undefined ? [] : [{ file: path, record }];
    })
    .filter(({ record }) => record.platform === platform && record.set !== set);
  return new Map(
    records.flatMap(({ file: path, record }) =>
      record.made.map(({ id }): [string, Owned] => [id, { owner: record.set, file: path, record }]),
    ),
  );
};

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

/** From now on it is this fleet's: its --prune may remove it, and the other's may not. */
export const takeOver = (all: readonly Foreign[], record: ApplyRecord, file: string): ApplyRecord => {
  if (all.length === 0) return record;
  const taken = new Set(all.map(({ id }) => id));
  const mine = all.map(({ wanted, id }) => ({ key: wanted.key, kind: wanted.doc.kind, id }));
  const next = { ...record, made: [...record.made.filter(({ id }) => !taken.has(id)), ...mine] };
  writeRecord(file, next);
  const others = new Map(all.flatMap(({ by }): [string, Owned][] => (by === undefined ? [] : [[by.file, by]])));
  for (const [path, other] of others)
    writeRecord(path, { ...other.record, made: other.record.made.filter(({ id }) => !taken.has(id)) });
  return next;
};

import { RefusedError, refusal } from '#kernel';
import type { ColumnValue, FindOptions, Projection } from '../projection.js';

/** The `where` of a query, checked: an unknown column is a bug in the caller and never reaches SQL. */
export const checkedWhere = (projection: Projection, options: FindOptions): [string, ColumnValue][] => {
  const entries = Object.entries(options.where ?? {});
  for (const [column] of entries) {
    if (column !== 'account' && !Object.hasOwn(projection.columnTypes, column)) {
      throw new Error(
        `${projection.name} has no column ${column}; it has account, ${columnsOf(projection).join(', ')}`,
      );
    }
  }
  if (options.limit !== undefined && !(Number.isSafeInteger(options.limit) && options.limit >= 0)) {
    throw new Error(`limit must be a non-negative integer, got ${options.limit}`);
  }
  return entries;
};

export const columnsOf = (projection: Projection): string[] => Object.keys(projection.columnTypes);

/** The document that a page was to continue after is gone, so its place in the order is unknown. */
export const cursorGone = (projection: Projection): RefusedError =>
  new RefusedError(
    refusal(410, 'cursor_gone', `the last ${projection.name} document of the previous page no longer exists`, {
      field: 'cursor',
      hint: 'list again from the start',
    }),
  );

const NAME = /^[a-z][a-z0-9_]{0,40}$/;

/** Refuses projections whose names could not become tables and columns. */
export const checkProjection = (projection: Projection): void => {
  if (!NAME.test(projection.name))
    throw new Error(`projection name ${projection.name} is not snake_case of at most 41 letters`);
  if (!Number.isSafeInteger(projection.version) || projection.version < 1) {
    throw new Error(`projection ${projection.name}: version must be a positive integer`);
  }
  const taken = ['key', 'account', 'doc', 'created', 'position'];
  for (const column of columnsOf(projection)) {
    if (!NAME.test(column) || taken.includes(column)) {
      throw new Error(`projection ${projection.name}: column name ${column} is reserved or not snake_case`);
    }
  }
};

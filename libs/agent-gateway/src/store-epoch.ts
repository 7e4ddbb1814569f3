import type pg from 'pg';

/**
 * Names this very event store: an agent that was told about another one starts from a whole snapshot. Made once (migration
 * 0201) and restored with the database.
 */
export const readStoreEpoch = async (db: Pick<pg.Pool, 'query'>): Promise<string> => {
  const { rows } = await db.query<{ epoch: string }>('SELECT epoch FROM gateway.store_epoch');
  if (rows[0] === undefined) throw new Error('gateway.store_epoch is empty: migration 0201 has not run');
  return rows[0].epoch;
};

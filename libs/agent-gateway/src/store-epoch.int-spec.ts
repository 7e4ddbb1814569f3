import pg from 'pg';
import { testDatabase } from '#event-store';
import { readStoreEpoch } from './store-epoch.js';

describe('the store epoch', () => {
  it('is made with the database and stays', async () => {
    const pools = await Promise.all([1, 2].map(async () => new pg.Pool((await testDatabase()).connection)));
    const epochs = await Promise.all([...pools, pools[0]!].map((pool) => readStoreEpoch(pool)));
    expect(epochs[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(epochs[2]).toBe(epochs[0]);
    await Promise.all(pools.map((pool) => pool.end()));
  });
});

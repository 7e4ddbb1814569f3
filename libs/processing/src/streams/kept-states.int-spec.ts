import { position } from '#event-store';
import { PostgresKeptStates } from '../adapters/postgres/postgres-kept-states.js';
import { postgresGround } from '../testing/postgres-ground.js';
import { MemoryKeptStates, type Keeping, type KeptStates } from './kept-states.js';

const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const keeping = (version: number, from?: number): Keeping => ({
  ...{ version, from, position: position(version * 10), eventId: id(version), state: { n: version, at: '⏱' } },
  commands: new Map([[`command ${version}`, position(version * 10)]]),
});
const opened = {
  memory: async () => ({ states: new MemoryKeptStates() as KeptStates, close: async () => undefined }),
  postgres: async () => {
    const { pool, close } = await postgresGround();
    const states = new PostgresKeptStates(pool);
    states.sealWith(Buffer.alloc(32, 1));
    return { states, close };
  },
};

describe.each(Object.entries(opened))('states kept beside the log in %s', (_, open) => {
  it('are what was kept last, and know every command up to there', async () => {
    const { states, close } = await open();
    expect(await states.load('s-1', 'f.1')).toBeUndefined();
    expect(await states.positionOf('s-1', 'f.1', 'command 1', 1)).toBe('gone');
    await states.save('s-1', 'f.1', keeping(5));
    await states.save('s-1', 'f.1', keeping(9, 5));
    expect(await states.load('s-1', 'f.1')).toEqual({
      ...{ version: 9, position: 90n, eventId: id(9), state: { n: 9, at: '⏱' } },
    });
    expect(await states.positionOf('s-1', 'f.1', 'command 5', 9)).toBe(50n);
    expect(await states.positionOf('s-1', 'f.1', 'command 5', 7)).toBe(50n);
    expect(await states.positionOf('s-1', 'f.1', 'command 6', 9)).toBeUndefined();
    expect(await states.positionOf('s-1', 'f.1', 'command 5', 10)).toBe('gone');
    expect(await states.load('s-2', 'f.1')).toBeUndefined();
    await close();
  });

  it('go on only from what is there: who comes late changes nothing, who read everything begins anew', async () => {
    const { states, close } = await open();
    await states.save('s-1', 'f.1', keeping(5));
    await Promise.all([states.save('s-1', 'f.1', keeping(7, 5)), states.save('s-1', 'f.1', keeping(7, 5))]);
    await states.save('s-1', 'f.1', keeping(8, 5));
    expect((await states.load('s-1', 'f.1'))?.version).toBe(7);
    await states.save('s-1', 'f.1', keeping(3));
    expect((await states.load('s-1', 'f.1'))?.version).toBe(3);
    expect(await states.positionOf('s-1', 'f.1', 'command 5', 3)).toBeUndefined();
    await close();
  });
});

it('that are there to the letter are left alone: several processes that start read the same stream', async () => {
  const { pool, close } = await postgresGround();
  const states = new PostgresKeptStates(pool);
  states.sealWith(Buffer.alloc(32, 1));
  const written = async () =>
    (await pool.query('SELECT s.xmin AS s, c.xmin AS c FROM processing.kept_states s, processing.kept_commands c'))
      .rows;
  await states.save('s-1', 'f.1', keeping(5));
  const before = await written();
  expect(before).toHaveLength(1);
  await states.save('s-1', 'f.1', keeping(5));
  expect(await written()).toEqual(before);
  await states.save('s-1', 'f.1', { ...keeping(5), state: { n: 5, at: 'another' } });
  expect(await written()).not.toEqual(before);
  await close();
});

it('of two builds stand beside each other while one takes the place of the other; those of a third before them go', async () => {
  const { pool, close } = await postgresGround();
  const states = new PostgresKeptStates(pool);
  states.sealWith(Buffer.alloc(32, 1));
  const there = async () => {
    const { rows } = await pool.query<{ fold: string }>(
      `SELECT fold FROM processing.kept_states WHERE stream = 's-1' INTERSECT
       SELECT fold FROM processing.kept_commands WHERE stream = 's-1' ORDER BY fold`,
    );
    return rows.map(({ fold }) => fold);
  };
  await states.save('s-2', 'f.1', keeping(4));
  await states.save('s-1', 'f.1', keeping(5));
  await states.save('s-1', 'f.2', keeping(6));
  await states.save('s-1', 'f.1', keeping(7, 5));
  await states.save('s-1', 'f.2', keeping(8, 6));
  expect(await there()).toEqual(['f.1', 'f.2']);
  await states.save('s-1', 'f.3', keeping(8));
  expect(await there()).toEqual(['f.2', 'f.3']);
  expect(await states.load('s-1', 'f.1')).toBeUndefined();
  expect(await states.positionOf('s-1', 'f.2', 'command 6', 8)).toBe(60n);
  const { rows } = await pool.query(`SELECT 1 FROM processing.kept_commands WHERE stream = 's-1' AND fold = 'f.1'`);
  expect(rows).toEqual([]);
  expect((await states.load('s-2', 'f.1'))?.version).toBe(4);
  await close();
});

it('that somebody wrote to the database by hand are not looked at, nor is anything before the key is known', async () => {
  const { pool, close } = await postgresGround();
  const states = new PostgresKeptStates(pool);
  await states.save('s-1', 'f.1', keeping(5));
  states.sealWith(Buffer.alloc(32, 1));
  expect(await states.load('s-1', 'f.1')).toBeUndefined();
  await states.save('s-1', 'f.1', keeping(5));
  expect(await states.load('s-1', 'f.1')).toBeDefined();
  const another = new PostgresKeptStates(pool);
  another.sealWith(Buffer.alloc(32, 2));
  expect(await another.load('s-1', 'f.1')).toBeUndefined();
  await pool.query(`UPDATE processing.kept_states SET state = '{"n":6}'`);
  expect(await states.load('s-1', 'f.1')).toBeUndefined();
  await close();
});

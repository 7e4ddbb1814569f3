import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '#kernel';
import type { Projection } from '../projection.js';
import { doors, openDoor, type Door } from '../testing/doors.js';
import { doorHost, until } from '../testing/host-fixture.js';
import { postgresGround } from '../testing/postgres-ground.js';
import { postgresStorage } from '../host/storage.js';

const DOORS = 150;

interface Ground {
  readonly store: Parameters<typeof doorHost>[0]['store'];
  readonly storage: Parameters<typeof doorHost>[0]['storage'];
}

/** The same read model under another version, with one more column and slow to fold: it is half-built for a while. */
const version = (v: number): Projection =>
  ({
    ...doors,
    version: v,
    columns: (doc: Door) => ({ account: 'account-a', open: doc.open, ...(v > 1 ? { sign: `door ${doc.door}` } : {}) }),
    columnTypes: v > 1 ? { open: 'boolean', sign: 'text' } : { open: 'boolean' },
  }) as unknown as Projection;

/** Reads all the time, as every other process may; each answer must be complete. */
const readers = (ground: Ground, atLeast: () => number) => {
  const reader = { stop: false, answers: 0, wrong: [] as string[] };
  const read = async () => {
    while (!reader.stop) {
      const least = atLeast();
      try {
        const found = await ground.storage.readModels.find(version(1), { where: { open: true } });
        const one = await ground.storage.readModels.get(version(1), 'd7');
        if (found.length < least || one === undefined) reader.wrong.push(`${found.length} of ${least}`);
      } catch (error) {
        reader.wrong.push((error as Error).message);
      }
      reader.answers++;
    }
  };
  return { reader, done: Promise.all([read(), read(), read()]) };
};

it('never shows an empty or half-built answer to readers while it is rebuilt and while versions replace each other', async () => {
  const { store, pool, close } = await postgresGround();
  const ground: Ground = { store, storage: postgresStorage(pool) };
  const first = doorHost({ ...ground, projections: [version(1)] });
  await first.host.start();
  let written = 0;
  for (; written < DOORS; written++) await openDoor(first.transactor, `d${written}`, systemClock.wallMs());
  await first.host.waitFor(await store.head(), ['doors'], 60_000);
  const { reader, done } = readers(ground, () => DOORS);
  for (let i = 0; i < 5; i++) await first.host.rebuild('doors');
  await first.host.stop();
  const tables = new Set<string>();
  for (const v of [2, 1, 3]) {
    const next = doorHost({ ...ground, projections: [version(v)] });
    await next.host.start();
    await until(`version ${v} is read`, async () => {
      const reports = (await next.host.projectionReports()).filter((r) => r.name === 'doors');
      return reports.length === 1 && reports[0]!.isRead && reports[0]!.version === v;
    });
    await sleep(50);
    tables.add((await next.host.projectionReports()).find((r) => r.name === 'doors')!.table);
    await next.host.stop();
  }
  reader.stop = true;
  await done;
  console.info(`${reader.answers} answers while the view was switched eight times`);
  expect(reader.wrong.slice(0, 5)).toEqual([]);
  expect(reader.answers).toBeGreaterThan(30);
  expect(tables.size).toBe(3);
  await close();
});

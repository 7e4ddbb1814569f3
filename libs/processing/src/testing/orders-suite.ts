import { deterministicUuid, sleep, systemClock, systemTimers } from '#kernel';
import type { EventStore, RecordedEvent } from '#event-store';
import type { ProcessingStorage } from '../host/storage.js';
import type { Projection } from '../projection.js';
import { projectionOrders, projectionStream, readSkips, type OrderCommand } from '../projections/orders.js';
import type { Transactor } from '../transactor.js';
import { doors, openDoor, type Door } from './doors.js';
import { BOUND_MS, doorHost, until } from './host-fixture.js';
import { InMemoryReadModels } from './in-memory-read-models.js';

const NAME = 'touchy';

/** Cannot fold the doors called `bad`, until it is told that it can. */
const touchy = (can: { fold: boolean }) =>
  ({
    ...doors,
    name: NAME,
    fold: (doc: Door | undefined, event: RecordedEvent, key: string) => {
      if (!can.fold && key.startsWith('bad')) throw new Error('cannot fold this');
      return doors.fold(doc, event, key);
    },
  }) as unknown as Projection;

let orders = 0;
const order = async (transactor: Transactor, command: OrderCommand) => {
  const commandId = deterministicUuid('order', orders++);
  const actor = { kind: 'operator', id: 'operator-olga' } as const;
  const nowMs = systemClock.wallMs();
  const context = { commandId, correlationId: 'c', causationId: 'c', accountId: 'account-a', actor, nowMs };
  await transactor.transact(projectionStream(NAME), projectionOrders, command, context);
};

const skipOf = ({ position, id, type }: RecordedEvent, version = 1): OrderCommand => {
  const data = { projection: NAME, version, position: String(position), reason: 'test' };
  return { type: 'skip', data: { ...data, event_id: id, event_type: type } };
};

export interface OrdersGround {
  readonly store: EventStore;
  readonly storage: ProcessingStorage;
  close(): Promise<void>;
}

/** What becomes of orders to skip and to rebuild, on any storage. */
export const ordersSuite = (name: string, ground: () => Promise<OrdersGround>): void => {
  describe(`orders about projections on ${name}`, () => {
    let g: OrdersGround;
    const running: { stop(): Promise<void> }[] = [];
    const start = async (projection: Projection) => {
      const made = doorHost({ ...g, projections: [projection] });
      running.push(made.host);
      await made.host.start();
      return made;
    };
    const open = (transactor: Transactor, door: string) => openDoor(transactor, door, systemClock.wallMs());
    const settled = async ({ host }: ReturnType<typeof doorHost>) => {
      const head = await g.store.head();
      await until('caught up', async () => {
        const reports = (await host.projectionReports()).filter((r) => r.name === NAME);
        return reports.length === 1 && reports[0]!.position >= head && reports[0]!.isRead;
      });
    };
    const inMemory = async (projection: Projection) => {
      const models = new InMemoryReadModels([projection], await readSkips(g.store, [projection]));
      for (const event of (await g.store.readAll(0n as never, { limit: 1_000 })).events) models.apply(event);
      return models.find(projection);
    };
    beforeEach(async () => {
      g = await ground();
    });
    afterEach(async () => {
      await Promise.all(running.splice(0).map((host) => host.stop()));
      await g.close();
    });

    it('passes a poison event that an operator ordered to skip, in the table, in rebuilds and in memory alike', async () => {
      const projection = touchy({ fold: false });
      const made = await start(projection);
      for (const door of ['a', 'bad', 'b']) await open(made.transactor, door);
      await until('stands still', async () => (await made.host.poison(NAME)) !== undefined);
      const { event, error, version } = (await made.host.poison(NAME))!;
      expect([event.data['door'], error, version]).toEqual(['bad', 'cannot fold this', 1]);
      await order(made.transactor, skipOf(event));
      await settled(made);
      expect(await made.host.poison(NAME)).toBeUndefined();
      const live = await made.host.digest(NAME);
      expect(await made.host.readModels.find(projection)).toEqual(await inMemory(projection));
      await made.host.rebuild(NAME);
      await settled(made);
      expect(await made.host.digest(NAME)).toEqual(live);
      const [report] = (await made.host.projectionReports()).filter((r) => r.name === NAME);
      expect(report).toMatchObject({ skipped: [event.position], fault: undefined, state: 'live' });
      await made.host.stop();
      const again = await start(projection);
      await settled(again);
      expect(await again.host.digest(NAME)).toEqual(live);
    });

    it('builds anew what had folded the event all the same when the order to skip it arrived', async () => {
      const can = { fold: false };
      const projection = touchy(can);
      const made = await start(projection);
      for (const door of ['a', 'bad', 'b']) await open(made.transactor, door);
      await until('stands still', async () => (await made.host.poison(NAME)) !== undefined);
      const { event } = (await made.host.poison(NAME))!;
      can.fold = true;
      await settled(made);
      expect(await made.host.readModels.find(projection)).toHaveLength(3);
      await order(made.transactor, skipOf(event));
      await until('built anew', async () => (await made.host.readModels.find(projection)).length === 2);
      await settled(made);
      const live = await made.host.digest(NAME);
      await made.host.rebuild(NAME);
      expect((await made.host.digest(NAME)).sha256).toBe(live.sha256);
      expect(await made.host.readModels.find(projection)).toEqual(await inMemory(projection));
    });

    it('does not hold for another version, which folds the event again', async () => {
      const made = await start(touchy({ fold: false }));
      for (const door of ['a', 'bad', 'b']) await open(made.transactor, door);
      await until('stands still', async () => (await made.host.poison(NAME)) !== undefined);
      await order(made.transactor, skipOf((await made.host.poison(NAME))!.event));
      await settled(made);
      await made.host.stop();
      const cured = { ...touchy({ fold: true }), version: 2 };
      const next = await start(cured);
      await settled(next);
      expect(await next.host.readModels.find(cured)).toHaveLength(3);
    });

    it('carries an order to rebuild out once, also when it was given while nobody led', async () => {
      const projection = touchy({ fold: true });
      const made = await start(projection);
      for (const door of ['a', 'b']) await open(made.transactor, door);
      await settled(made);
      const tableOf = async (host: ReturnType<typeof doorHost>['host']) =>
        (await host.projectionReports()).find((r) => r.name === NAME && r.isRead)!.table;
      const before = await tableOf(made.host);
      await made.host.stop();
      await order(made.transactor, { type: 'rebuild', data: { projection: NAME, version: 1, reason: '' } });
      const next = await start(projection);
      await until('another table', async () => (await tableOf(next.host)) !== before);
      await settled(next);
      const after = await tableOf(next.host);
      await next.host.stop();
      const last = await start(projection);
      await open(last.transactor, 'c');
      await settled(last);
      await sleep(systemTimers, 50);
      expect(await tableOf(last.host)).toBe(after);
      expect(await last.host.readModels.find(projection)).toHaveLength(3);
    });

    it('stops at an event whose keys it cannot tell, and nobody else does', async () => {
      const keys = (event: RecordedEvent) => {
        if (event.data['door'] === 'bad') throw new Error('which one?');
        return doors.keys(event);
      };
      const blind = { ...doors, name: NAME, keys } as unknown as Projection;
      const made = doorHost({ ...g, projections: [doors as unknown as Projection, blind] });
      running.push(made.host);
      await made.host.start();
      for (const door of ['a', 'bad']) await open(made.transactor, door);
      const at = await open(made.transactor, 'b');
      expect(await made.host.waitFor(at, ['doors'], BOUND_MS)).toBe('current');
      await until('stands still', async () => (await made.host.poison(NAME))?.error === 'which one?');
      expect((await made.host.status()).role).toBe('leading');
      await order(made.transactor, skipOf((await made.host.poison(NAME))!.event));
      await until('goes on', async () => (await made.host.readModels.find(blind)).length === 2);
    });
  });
};

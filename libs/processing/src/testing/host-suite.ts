import { RefusedError, sleep, systemClock, systemTimers } from '#kernel';
import type { EventStore } from '#event-store';
import type { ProcessingStorage } from '../host/storage.js';
import type { ProcessManager } from '../process-manager.js';
import type { Projection } from '../projection.js';
import { doorman, doors, inputsOf, openDoor, typesIn, type Door } from './doors.js';
import { BOUND_MS, doorHost, until } from './host-fixture.js';

export interface Ground {
  readonly store: EventStore;
  readonly storage: ProcessingStorage;
  close(): Promise<void>;
}

const asAny = <D extends object>(projection: Projection<D>) => projection as unknown as Projection;
const asManager = <S>(manager: ProcessManager<S>) => manager as unknown as ProcessManager;

/** What a processing host must do on any storage. */
export const hostSuite = (name: string, ground: () => Promise<Ground>): void => {
  describe(`the processing host on ${name}`, () => {
    let g: Ground;
    const running: { stop(): Promise<void> }[] = [];
    const start = async (parts: Partial<Parameters<typeof doorHost>[0]> = {}) => {
      const made = doorHost({ ...g, ...parts });
      running.push(made.host);
      await made.host.start();
      return made;
    };
    beforeEach(async () => {
      g = await ground();
    });
    afterEach(async () => {
      await Promise.all(running.splice(0).map((host) => host.stop()));
      await g.close();
    });

    it('lets a caller read its own writes', async () => {
      const { host, transactor } = await start();
      for (let i = 0; i < 20; i++) {
        const at = await openDoor(transactor, `d${i}`, systemClock.wallMs());
        expect(await host.waitFor(at, ['doors'], BOUND_MS)).toBe('current');
        expect(await host.readModels.get(doors, `d${i}`)).toEqual({ door: `d${i}`, open: true, times: 1 });
      }
    });

    it('answers behind, once the bound is over, for a position that never comes', async () => {
      const { host } = await start();
      expect(await host.waitFor(1_000_000n, ['doors'], 100)).toBe('behind');
    });

    it('pages in the order of creation, keeps to the asked columns, and refuses unknown ones', async () => {
      const { host, transactor } = await start();
      let at = 0n;
      for (const key of ['zebra', 'ant', 'mole', 'bee']) at = await openDoor(transactor, key, systemClock.wallMs());
      await host.waitFor(at, ['doors'], BOUND_MS);
      const find = async (o: object) => (await host.readModels.find(doors, o)).map((d: Door) => d.door);
      expect(await find({})).toEqual(['zebra', 'ant', 'mole', 'bee']);
      expect(await find({ limit: 2 })).toEqual(['zebra', 'ant']);
      expect(await find({ limit: 2, after: 'ant' })).toEqual(['mole', 'bee']);
      expect(await find({ after: 'bee' })).toEqual([]);
      expect(await find({ where: { account: 'account-b' } })).toEqual([]);
      expect(await find({ where: { account: 'account-a', open: true }, limit: 1 })).toEqual(['zebra']);
      await expect(find({ where: { colour: 'red' } })).rejects.toThrow('doors has no column colour');
      await expect(find({ after: 'cat' })).rejects.toBeInstanceOf(RefusedError);
    });

    it('closes a door by timer and command, once, over restarts at any moment', async () => {
      const manager = asManager(doorman(150));
      let made = await start({ managers: [manager] });
      for (let i = 0; i < 10; i++) await openDoor(made.transactor, `d${i}`, systemClock.wallMs() + i * 30);
      for (let i = 0; i < 6; i++) {
        await sleep(systemTimers, 40);
        await made.host.stop();
        made = await start({ managers: [manager] });
      }
      for (let i = 0; i < 10; i++) {
        await until(`d${i} closed`, async () => (await inputsOf(g.store, `pm_doorman-d${i}`)).length === 3);
        expect(await inputsOf(g.store, `pm_doorman-d${i}`)).toEqual(['event', 'timer', 'command_result']);
        expect(await typesIn(g.store, `door-d${i}`)).toEqual(['system.door.opened', 'system.door.closed']);
      }
    });

    it('stops a poisoned projection only, shows where and why, and goes on when it is cured', async () => {
      let poisoned = true;
      const touchy: Projection<Door> = {
        ...doors,
        name: 'touchy',
        fold: (doc, event, key) => {
          if (poisoned && key === 'bad') throw new Error('cannot fold this');
          return doors.fold(doc, event, key);
        },
      };
      const { host, transactor } = await start({ projections: [asAny(doors), asAny(touchy)] });
      await openDoor(transactor, 'good', systemClock.wallMs());
      const bad = await openDoor(transactor, 'bad', systemClock.wallMs());
      const later = await openDoor(transactor, 'later', systemClock.wallMs());
      expect(await host.waitFor(later, ['doors'], BOUND_MS)).toBe('current');
      await until('the fault is seen', async () => (await host.status()).faults.some((f) => f.attempts > 1));
      const status = await host.status();
      expect(status.faults[0]).toMatchObject({ position: bad, error: 'cannot fold this' });
      expect(status.lanes.find((lane) => lane.name === status.faults[0]!.lane)?.state).toBe('faulted');
      expect(await host.readModels.get(touchy, 'good')).toBeDefined();
      expect(await host.readModels.get(touchy, 'later')).toBeUndefined();
      expect(await host.waitFor(later, ['touchy'], BOUND_MS)).toBe('behind');
      poisoned = false;
      await until('cured', async () => (await host.readModels.get(touchy, 'later')) !== undefined);
      expect((await host.status()).faults).toEqual([]);
      const next = await openDoor(transactor, 'next', systemClock.wallMs());
      expect(await host.waitFor(next, ['touchy'], BOUND_MS)).toBe('current');
    });

    it('rebuilds beside the read table to the same digest, while events keep coming', async () => {
      const { host, transactor } = await start();
      for (let i = 0; i < 50; i++) await openDoor(transactor, `d${i % 40}`, systemClock.wallMs(), i);
      let stop = false;
      const writing = (async () => {
        for (let i = 0; !stop; i++) await openDoor(transactor, `live${i}`, systemClock.wallMs());
      })();
      await host.rebuild('doors');
      stop = true;
      await writing;
      await host.waitFor(await g.store.head(), ['doors'], BOUND_MS);
      const first = await host.digest('doors');
      await host.rebuild('doors');
      expect(await host.digest('doors')).toEqual(first);
      expect(await host.readModels.find(doors, { limit: 1 })).toHaveLength(1);
      expect((await host.status()).lanes.filter((lane) => lane.name.includes('doors'))).toHaveLength(1);
    });

    it('builds a new version beside the old one and switches, also on a log that has grown meanwhile', async () => {
      const old = await start();
      await openDoor(old.transactor, 'front', systemClock.wallMs());
      await old.host.stop();
      await openDoor(old.transactor, 'back', systemClock.wallMs());
      const v2 = {
        ...doors,
        version: 2,
        fold: (doc: Door | undefined, event: Parameters<typeof doors.fold>[1], key: string) => ({
          ...doors.fold(doc, event, key)!,
          sign: `door ${key}`,
        }),
        columns: (doc: Door & { sign?: string }) => ({ account: 'account-a', sign: doc.sign ?? null }),
        columnTypes: { sign: 'text' as const },
      };
      const { host } = await start({ projections: [asAny(v2)] });
      expect(await host.readModels.find(v2 as Projection<Door>, { where: { sign: 'door back' } })).toHaveLength(1);
      expect(await host.readModels.find(v2 as Projection<Door>)).toHaveLength(2);
    });

    it('runs in one process at a time; another takes over when it stops, and reads meanwhile', async () => {
      const first = await start({ managers: [asManager(doorman(0))] });
      const second = await start({ managers: [asManager(doorman(0))] });
      expect((await first.host.status()).role).toBe('leading');
      expect((await second.host.status()).role).toBe('waiting');
      const at = await openDoor(second.transactor, 'front', systemClock.wallMs());
      expect(await second.host.waitFor(at, ['doors'], BOUND_MS)).toBe('current');
      await first.host.stop();
      await until('the second leads', async () => (await second.host.status()).role === 'leading');
      const next = await openDoor(second.transactor, 'back', systemClock.wallMs());
      expect(await second.host.waitFor(next, ['doors'], BOUND_MS)).toBe('current');
      await until('closed', async () => (await typesIn(g.store, 'door-back')).length === 2);
    });

    it('tells what a process manager decided last', async () => {
      const { host, transactor } = await start({ managers: [asManager(doorman(0))] });
      await openDoor(transactor, 'stuck', systemClock.wallMs());
      await until('three inputs', async () => (await host.introspect('doorman_agent'))?.inputs === 3);
      const seen = (await host.introspect('doorman_agent'))!;
      expect(seen).toMatchObject({ agent_id: 'doorman_agent', process_manager: 'doorman', faults: [] });
      expect(seen.decisions.map((d) => d.input)).toEqual([
        { kind: 'event', of: 'system.door.opened' },
        { kind: 'timer', of: 'shut' },
        { kind: 'command_result', of: 'test.close_door refused (stuck)' },
      ]);
      expect(seen.decisions[0]!.notes).toEqual(['waiting']);
      expect(await host.introspect('nobody')).toBeUndefined();
    });

    it('tries a command again while its handler fails, shows it, and sends it with the same id', async () => {
      const ids: string[] = [];
      let failures = 2;
      const { host, transactor, handlers } = doorHost({ ...g, managers: [asManager(doorman(0))] });
      const dispatch = handlers.dispatch.bind(handlers);
      handlers.dispatch = (command) => {
        ids.push(command.context.commandId);
        return failures-- > 0 ? Promise.reject(new Error('no database')) : dispatch(command);
      };
      running.push(host);
      await host.start();
      await openDoor(transactor, 'front', systemClock.wallMs());
      await until('fault shown', async () => (await host.status()).faults.some((f) => f.error === 'no database'));
      await until('closed', async () => (await typesIn(g.store, 'door-front')).length === 2);
      expect(ids).toHaveLength(3);
      expect(new Set(ids).size).toBe(1);
      await until('fault cleared', async () => (await host.status()).faults.length === 0);
    });
  });
};

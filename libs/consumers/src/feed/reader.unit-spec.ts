import { silentLog, systemClock, systemTimers } from '#kernel';
import { MemoryEventStore, position, type Batch } from '#event-store';
import { ACCOUNT, newEvent, OTHER_ACCOUNT, type EventSpec } from '../testing/rig.js';
import { checkPrefixes, passes, type EventFilter } from './filter.js';
import { Gate } from './gate.js';
import { nextPage } from './reader.js';
import { Tail } from './tail.js';

const all: EventFilter = {
  accountId: ACCOUNT,
  kindPrefixes: [],
  streams: [],
  subjects: [],
  minSeverity: 'info',
};
const same = <T>(event: T): T => event;
const append = (store: MemoryEventStore, spec: EventSpec) =>
  store.append({ stream: spec.stream, expected: 'any', events: [newEvent(spec)] });

/** A tail whose batches come when the test lets them. */
const slowTail = (store: MemoryEventStore, ring = { maxEntries: 10, maxChars: 100_000 }) => {
  let hand: (batch: Batch) => void = () => undefined;
  const tail = new Tail({
    store: {
      head: () => store.head(),
      subscribe: async function* () {
        for (;;) yield await new Promise<Batch>((resolve) => (hand = resolve));
      },
    },
    timers: systemTimers,
    log: silentLog,
    current: same,
    ...ring,
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const deliver = async (after: bigint) => {
    await settle();
    hand(await store.readAll(position(after), { limit: 1_000 }));
    await settle();
  };
  return { tail, deliver };
};

describe('pages of a consumer', () => {
  it('never go back when the ring lags behind what was read from the log', async () => {
    const store = new MemoryEventStore(systemClock);
    const { tail, deliver } = slowTail(store);
    await append(store, { stream: 'node-1', n: 1 });
    await tail.acquire();
    const deps = { store, tail, catchUp: new Gate(1), current: same };
    for (const n of [2, 3]) await append(store, { stream: 'node-1', n });
    const fromLog = await nextPage(deps, all, position(0));
    expect([fromLog.entries.length, fromLog.through, fromLog.atHead]).toEqual([3, 3n, false]);
    // The ring has seen none of the two yet: its end lies before the consumer.
    expect(await nextPage(deps, all, fromLog.through)).toEqual({ entries: [], through: 3n, atHead: true });
    await deliver(1n);
    expect((await nextPage(deps, all, position(3))).entries).toEqual([]);
    expect((await nextPage(deps, all, position(2))).entries.map((e) => e.position)).toEqual([3n]);
  });

  it('come from the log again for whoever fell out of the ring, which stays small', async () => {
    const store = new MemoryEventStore(systemClock);
    const { tail, deliver } = slowTail(store);
    await tail.acquire();
    for (let n = 1; n <= 50; n++) await append(store, { stream: 'node-1', n });
    await deliver(0n);
    expect(tail.size.entries).toBe(10);
    expect(tail.after(position(39))).toBeUndefined();
    const deps = { store, tail, catchUp: new Gate(1), current: same };
    const page = await nextPage(deps, all, position(39));
    expect([page.entries[0]!.position, page.through]).toEqual([40n, 50n]);
    expect((await nextPage(deps, all, position(45))).entries.map((e) => e.position)).toEqual([46n, 47n, 48n, 49n, 50n]);
  });

  it('end before they grow large, and tell how far they go', async () => {
    const store = new MemoryEventStore(systemClock);
    const { tail } = slowTail(store);
    for (let n = 1; n <= 9; n++) await append(store, { stream: 'node-1', n, payload: { text: 'x'.repeat(100_000) } });
    await tail.acquire();
    const deps = { store, tail, catchUp: new Gate(1), current: same };
    const page = await nextPage(deps, all, position(0));
    expect([page.entries.length, page.through]).toEqual([2, 2n]);
  });
});

describe('filters', () => {
  const event = (spec: Partial<EventSpec>, links = {}) => {
    const made = newEvent({ stream: 'node-1', n: 1, ...spec });
    return {
      ...made,
      meta: { ...made.meta, links, topics: ['system.k3s.x'] },
      stream: spec.stream ?? 'node-1',
      version: 1,
      position: position(1),
      recordedAt: '',
    };
  };
  it.each<[string, Partial<EventFilter>, Parameters<typeof event>, boolean]>([
    ['the account', {}, [{}], true],
    ['another account', {}, [{ accountId: OTHER_ACCOUNT }], false],
    ['every account', { accountId: undefined }, [{ accountId: OTHER_ACCOUNT }], true],
    ['process managers, for every account too', { accountId: undefined }, [{ stream: 'pm_x-1' }], false],
    ['a kind', { kindPrefixes: ['system.no', 'system.nod'] }, [{}], true],
    ['a topic', { kindPrefixes: ['system.k3s'] }, [{}], true],
    ['another kind', { kindPrefixes: ['system.sdwan'] }, [{}], false],
    ['a severity above', { minSeverity: 'warning' }, [{ severity: 'high' }], true],
    ['a severity below', { minSeverity: 'high' }, [{ severity: 'warning' }], false],
    ['a stream', { streams: ['node-1'] }, [{}], true],
    ['a category of streams', { streams: ['cluster-', 'node-'] }, [{}], true],
    ['a beginning of categories', { streams: ['no'] }, [{}], true],
    ['another category', { streams: ['node_-', 'cluster'] }, [{}], false],
    ['a link, which is no stream', { streams: ['cluster-1'] }, [{}, { cluster: 'cluster-1' }], false],
    ['a link to the subject', { subjects: ['cluster-1'] }, [{}, { cluster: 'cluster-1' }], true],
    ['no link to the subject', { subjects: ['cluster-2'] }, [{}, { cluster: 'cluster-1' }], false],
  ])('let through or hold back: %s', (_, filter, made, expected) =>
    expect(passes({ ...all, ...filter }, event(...made))).toBe(expected),
  );

  it('refuse prefixes under which nothing can come, and take every beginning of a known one', () => {
    const kinds = ['system.k3s.handshake.ready', 'system.node.created'];
    for (const fine of ['s', 'system', 'system.', 'system.k', 'system.k3s', 'system.k3s.virtual_ip'])
      expect(() => checkPrefixes([fine], kinds)).not.toThrow();
    for (const wrong of ['k3s', 'system.k8s', 'system.k.handshake', 'system.nodes', 'x'])
      expect(() => checkPrefixes([wrong], kinds)).toThrow(/no kind of event/);
  });
});

import { sleep, systemClock, systemTimers } from '#kernel';
import { MemoryEventStore, testEventStore, type EventStore } from '#event-store';
import { connectGrpc } from './testing/grpc-client.js';
import { ACCOUNT, logOf, newEvent, openRig, type Rig } from './testing/rig.js';
import { connectSse, type SseConnection } from './testing/sse-client.js';

const STALL_MS = 200;
const RING = { maxEntries: 64, maxChars: 2 * 1024 * 1024 };
const idOf = (data: string) => (JSON.parse(data) as { id: string }).id;

/** More than the buffers of the kernel hold, so that a consumer that does not read is really stuck. */
const BATCHES = 60;
const text = 'x'.repeat(40_000);
const appendAll = async (store: EventStore): Promise<void> => {
  for (let batch = 0; batch < BATCHES; batch++) {
    const events = Array.from({ length: 10 }, (_, i) => newEvent({ stream: `node-${batch}`, n: i, payload: { text } }));
    await store.append({ stream: `node-${batch}`, expected: 'no_stream', events });
  }
};

describe('a consumer that does not read', () => {
  let store: EventStore;
  let rig: Rig;
  /** Who is stuck stays so until the test lets time pass: whoever waited for them would wait for ever, however slow the machine. */
  let passedMs = 0;
  beforeAll(async () => {
    ({ store } = await testEventStore());
    const clock = { wallMs: () => systemClock.wallMs(), monotonicMs: () => passedMs };
    rig = await openRig(store, { clock, stallMs: STALL_MS, graceMs: 500, ring: RING });
  });
  afterAll(async () => {
    await rig.close();
    await store.close();
  });

  it('holds up neither appends nor another consumer, is cut in time, and has lost nothing', async () => {
    const stuckSse = await connectSse(`http://127.0.0.1:${rig.httpPort}/events`, { token: ACCOUNT });
    await stuckSse.until(({ event }) => event === 'checkpoint');
    stuckSse.response.pause();
    const stuckGrpc = connectGrpc({ address: `127.0.0.1:${rig.grpcPort}`, token: ACCOUNT });
    await stuckGrpc.until(({ message }) => message?.$case === 'checkpoint');
    stuckGrpc.call.pause();
    const received = new Set<string>();
    const fast = await connectSse(`http://127.0.0.1:${rig.httpPort}/events`, {
      token: ACCOUNT,
      onMessage: ({ event, data }) => event === 'message' && received.add(idOf(data)),
    });
    let pending = 0;
    const watch = systemTimers.every(5, () => (pending = Math.max(pending, rig.stream.pendingBytes)));
    await appendAll(store);
    const expected = await logOf(store, ACCOUNT);
    while (received.size < expected.length) await sleep(systemTimers, 5);
    expect(rig.stream.consumers).toBe(3);
    passedMs = STALL_MS;
    expect([...received]).toEqual(expected);
    while (rig.stream.consumers > 1) await sleep(systemTimers, 20);
    watch();
    // A window, one event over it, and one being written, each.
    expect(pending).toBeLessThan(3 * (64 * 1024 + 2 * 45_000));
    expect(rig.stream.tail.size.chars).toBeLessThanOrEqual(RING.maxChars);
    await resumesExactly(stuckSse, expected);
    await resumesExactlyGrpc(stuckGrpc, expected);
    expect(rig.stream.consumers).toBe(1);
    fast.cut();
  }, 240_000);

  /** Reads what had been sent before the cut, and goes on behind the last cursor of it. */
  const resumesExactly = async (stuck: SseConnection, expected: readonly string[]) => {
    stuck.response.resume();
    await stuck.ended;
    const before = stuck.messages.filter((m) => m.event === 'message');
    const cursor = stuck.messages.filter((m) => m.id !== undefined).at(-1)!.id;
    expect(before.length).toBeLessThan(expected.length);
    const rest = await connectSse(`http://127.0.0.1:${rig.httpPort}/events`, { token: ACCOUNT, lastEventId: cursor });
    await rest.until(({ data }) => data.includes(expected.at(-1)!));
    const after = rest.messages.filter((m) => m.event === 'message');
    expect([...before, ...after].map((m) => idOf(m.data))).toEqual(expected);
    rest.cut();
    await sleep(systemTimers, 100);
  };

  const resumesExactlyGrpc = async (stuck: ReturnType<typeof connectGrpc>, expected: readonly string[]) => {
    stuck.call.resume();
    await stuck.ended;
    const ids = (of: ReturnType<typeof connectGrpc>) =>
      of.messages.flatMap(({ message }) => (message?.$case === 'event' ? [message.value.id] : []));
    // grpc-js may tell of the end before the last messages that it holds; what counts is what was consumed by then.
    const [before, { cursor }] = [ids(stuck), stuck.messages.at(-1)!];
    expect(before.length).toBeLessThan(expected.length);
    const address = `127.0.0.1:${rig.grpcPort}`;
    const rest = connectGrpc({ address, token: ACCOUNT }, { after: cursor });
    await rest.until(({ message }) => message?.$case === 'event' && message.value.id === expected.at(-1));
    expect([...before, ...ids(rest)]).toEqual(expected);
    rest.cut();
    await rest.ended;
    await sleep(systemTimers, 100);
  };
});

describe('a thousand consumers', () => {
  const CONSUMERS = 1_000;
  const EVENTS = 20;

  it('at the head cost one reader of the log, and all see every event', async () => {
    const memory = new MemoryEventStore(systemClock);
    let [subscriptions, reads] = [0, 0];
    const counted: EventStore = Object.assign(Object.create(memory) as EventStore, {
      subscribe: (...args: Parameters<EventStore['subscribe']>) => (subscriptions++, memory.subscribe(...args)),
      readAll: (...args: Parameters<EventStore['readAll']>) => (reads++, memory.readAll(...args)),
    });
    const rig = await openRig(counted);
    const consumers: SseConnection[] = [];
    for (let i = 0; i < CONSUMERS; i += 50) {
      const url = `http://127.0.0.1:${rig.httpPort}/events?from=now&checkpoint_seconds=60`;
      consumers.push(...(await Promise.all(Array.from({ length: 50 }, () => connectSse(url, { token: ACCOUNT })))));
    }
    expect(rig.stream.consumers).toBe(CONSUMERS);
    for (let n = 1; n <= EVENTS; n++)
      await memory.append({ stream: 'node-1', expected: 'any', events: [newEvent({ stream: 'node-1', n })] });
    const expected = await logOf(memory, ACCOUNT);
    await Promise.all(consumers.map((c) => c.until(({ data }) => data.includes(expected.at(-1)!))));
    for (const { messages } of consumers)
      expect(messages.filter((m) => m.event === 'message').map((m) => idOf(m.data))).toEqual(expected);
    expect([subscriptions, reads]).toEqual([1, 0]);
    for (const consumer of consumers) consumer.cut();
    while (rig.stream.consumers > 0) await sleep(systemTimers, 10);
    await rig.close();
  }, 240_000);
});

import { seededRandom, sleep, systemIds, systemTimers, type Random } from '#kernel';
import { testEventStore, type EventStore } from '#event-store';
import { connectGrpc } from './testing/grpc-client.js';
import { ACCOUNT, CuttableWire, logOf, newEvent, openRig, OTHER_ACCOUNT, type Rig } from './testing/rig.js';
import { connectSse } from './testing/sse-client.js';

const seed = Number(process.env.DROVER_TEST_SEED ?? Date.now() % 1_000_000);
const WRITERS = 6;
const APPENDS_EACH = 120;

/** Receives one message after the other over one connection, until the connection is gone. */
type Connect = (
  port: number,
  cursor: string | undefined,
  take: (id: string | undefined, cursor: string) => void,
) => Promise<{ readonly ended: Promise<unknown>; cut(): void }>;

const overSse: Connect = async (port, cursor, take) =>
  connectSse(`http://127.0.0.1:${port}/events?checkpoint_seconds=1`, {
    token: ACCOUNT,
    lastEventId: cursor,
    onMessage: ({ id, event, data }) => {
      if (event === 'end') return;
      take(event === 'message' ? (JSON.parse(data) as { id: string }).id : undefined, id!);
    },
  });

const overGrpc: Connect = async (port, cursor, take) =>
  connectGrpc(
    {
      address: `127.0.0.1:${port}`,
      token: ACCOUNT,
      onMessage: ({ cursor: at, message }) => take(message?.$case === 'event' ? message.value.id : undefined, at),
    },
    { after: cursor ?? '', checkpointSeconds: 1 },
  );

interface Consumed {
  readonly ids: string[];
  readonly cuts: number;
}

/** Follows until `isEnough`, and loses its connection at random points meanwhile; goes on behind the last cursor it received. */
const consumeWithCuts = async (
  port: number,
  connect: Connect,
  random: Random,
  isEnough: (ids: readonly string[]) => boolean,
): Promise<Consumed> => {
  const wire = await CuttableWire.to(port);
  const ids: string[] = [];
  let cursor: string | undefined;
  let cuts = 0;
  try {
    for (;;) {
      let isOpen = true;
      const connection = await connect(wire.port, cursor, (id, at) => {
        // What arrives after the cut was not consumed: its consumer is dead.
        if (!isOpen) return;
        if (id !== undefined) ids.push(id);
        cursor = at;
      }).catch(() => undefined);
      // Each a little longer: where a connection takes a second, some must live to carry something.
      const lifeMs = random.unit() < 0.3 ? random.unit() * 10 : random.unit() * (250 + 10 * cuts);
      for (const end = performance.now() + lifeMs; performance.now() < end && !isEnough(ids);)
        await sleep(systemTimers, 2);
      if (isEnough(ids)) return { ids, cuts };
      isOpen = false;
      cuts++;
      wire.cut();
      connection?.cut();
      await connection?.ended;
    }
  } finally {
    await wire.close();
  }
};

/** Racing writers: shared streams (conflicts roll back), both accounts, inboxes of process managers, large and small. */
const write = async (store: EventStore, random: Random): Promise<void> => {
  const streams = [ACCOUNT, OTHER_ACCOUNT].flatMap((accountId) =>
    ['node', 'cluster', 'pm_x'].map((category) => ({
      accountId,
      stream: `${category}-${systemIds.uuid()}`,
      version: 0,
    })),
  );
  let n = 0;
  const writer = async () => {
    for (let i = 0; i < APPENDS_EACH; i++) {
      const to = streams[Math.floor(random.unit() * streams.length)]!;
      const payload = { text: 'x'.repeat(random.unit() < 0.05 ? 50_000 : random.unit() * 500) };
      const events = Array.from({ length: 1 + Math.floor(random.unit() * 4) }, () =>
        newEvent({ ...to, n: ++n, payload }),
      );
      const outcome = await store.append({ stream: to.stream, expected: to.version, events });
      if (outcome.kind === 'conflict') to.version = Math.max(to.version, outcome.actual);
      else to.version = Math.max(to.version, outcome.version);
      if (random.unit() < 0.2) await sleep(systemTimers, random.unit() * 10);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
};

describe('a consumer that is cut at random points and resumes', () => {
  let store: EventStore;
  let rig: Rig;
  beforeAll(async () => {
    ({ store } = await testEventStore());
    // A small ring, so that consumers fall out of it and go from the log to the ring and back.
    rig = await openRig(store, { ring: { maxEntries: 50, maxChars: 200_000 } });
  });
  afterAll(async () => {
    await rig.close();
    await store.close();
  });

  it('misses nothing and repeats nothing, over SSE and gRPC, while writers race', async () => {
    const random = seededRandom(seed);
    const known: { whole?: readonly string[] } = {};
    const isEnough = (ids: readonly string[]) => known.whole !== undefined && ids.length >= known.whole.length;
    const consumers = [overSse, overGrpc, overSse, overGrpc].map((connect, i) =>
      consumeWithCuts(connect === overSse ? rig.httpPort : rig.grpcPort, connect, seededRandom(seed + i), isEnough),
    );
    await write(store, random);
    const expected = (known.whole = await logOf(store, ACCOUNT));
    const consumed = await Promise.all(consumers);
    for (const { ids, cuts } of consumed) {
      expect({ seed, cuts: cuts > 5 }).toEqual({ seed, cuts: true });
      expect(ids).toEqual(expected);
    }
    expect(expected.length).toBeGreaterThan(300);
  }, 240_000);
});

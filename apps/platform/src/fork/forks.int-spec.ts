import type { ForkRequest } from '#audit';
import { FLEET_SERVICES, type FleetServices } from '#fleet';
import { FailoverService } from '#sdwan';
import { FakeKurrent } from '../../../../test/doubles/kurrentdb/server.js';
import { startTestPlatform, type TestPlatform } from '../testing/test-platform.js';
import { PlatformForks, type ForkBounds } from './forks.js';

/** A platform whose events are in KurrentDB: positions with gaps, and a log that is read over the wire. */
let kurrent: FakeKurrent;
let drover: TestPlatform;
let request: ForkRequest;
const eventsRead: number[] = [];

beforeAll(async () => {
  kurrent = await FakeKurrent.start();
  drover = await startTestPlatform({ DROVER_EVENT_STORE: 'kurrentdb', KURRENTDB_URL: kurrent.url });
  for (let n = 0; n < 15; n++) await ok('system_create_template', { name: `t-${n}` });
  const { store } = drover.platform.foundation;
  for await (const { meta } of store.readStream(
    (await store.readAll(await before(), { limit: 1 })).events[0]!.stream,
  )) {
    const permissions = new Set(['system.templates.read', 'system.templates.write']);
    request = {
      tool: '',
      arguments: {},
      accountId: meta.accountId,
      operatorId: meta.actor.id,
      permissions,
      horizonMs: 1_000,
    };
  }
  // Only forks read the log from somewhere in its middle in pages of this size.
  const real = store.readAll.bind(store);
  Reflect.set(store, 'readAll', async (...args: Parameters<typeof real>) => {
    const batch = await real(...args);
    if (args[1].limit === PAGE) eventsRead.push(batch.events.length);
    return batch;
  });
}, 60_000);
afterAll(async () => {
  await drover?.stop();
  await kurrent?.stop();
}, 30_000);

const PAGE = 7;
const ok = async (tool: string, args: object) => {
  const { body } = await drover.rest(tool, args);
  if (!body.success) throw new Error(`${tool}: ${JSON.stringify(body.error)}`);
  return body.data;
};
/** Right before the newest event. */
const before = async () => {
  const { store } = drover.platform.foundation;
  const all = (await store.readAll(0n as never, { limit: 1_000 })).events;
  return all.filter((event) => event.type === 'system.template.created').at(-2)!.position;
};
const forksWith = (bounds: Partial<ForkBounds> = {}) => {
  const { app, foundation } = drover.platform;
  const parts = {
    failover: app.get(FailoverService, { strict: false }),
    services: app.get<FleetServices>(FLEET_SERVICES, { strict: false }),
  };
  return new PlatformForks(foundation, parts, {
    ...{ callMs: 60_000, runMs: 5_000, idleMs: 60_000, pageEvents: PAGE },
    ...bounds,
  });
};
const creating = (name: string): ForkRequest => ({ ...request, tool: 'system_create_template', arguments: { name } });
const prepared = async (forks: PlatformForks) => {
  for (let tries = 0; !forks.isPrepared; tries++) {
    if (tries > 600) throw new Error('the next fork was not prepared within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const readIn = async (work: () => Promise<unknown>): Promise<number> => {
  eventsRead.length = 0;
  await work();
  return eventsRead.reduce((sum, events) => sum + events, 0);
};

it('reads the log once for a call; the next call reads only what is new, and knows it', async () => {
  const forks = forksWith();
  const first = await forks.try(creating('new'));
  expect(first.answer.kind).toBe('ok');
  expect(first.events.map((event) => event.type)).toContain('system.template.created');
  await prepared(forks);
  await ok('system_create_template', { name: 'late' });
  const { store } = drover.platform.foundation;
  const whole = (await store.readAll(0n as never, { limit: 1_000 })).events.length;
  let second: Awaited<ReturnType<PlatformForks['try']>> | undefined;
  const read = await readIn(async () => (second = await forks.try(creating('late'))));
  expect(second?.answer).toMatchObject({ kind: 'refused' });
  expect(second?.forkedAt).toBe(await store.head());
  expect([read > 0, read < whole / 2]).toEqual([true, true]);
  await forks.onModuleDestroy();
}, 60_000);

it('stops when time is up, says so, and goes on with the next call where it stopped', async () => {
  // No time at all is left for reading: every call gets one page further.
  const forks = forksWith({ callMs: 5_000, runMs: 5_000 });
  const shares: number[] = [];
  for (let calls = 0; ; calls++) {
    expect(calls).toBeLessThan(500);
    const outcome = await forks.try(creating('new')).catch((error: unknown) => error as Error);
    if (!(outcome instanceof Error)) {
      expect(outcome.answer.kind).toBe('ok');
      break;
    }
    expect(outcome).toMatchObject({ refusal: { code: 'fork_not_ready', hint: expect.stringContaining('call again') } });
    shares.push(Number(/(\d+) % of the log/.exec(outcome.message)?.[1]));
  }
  expect(shares.length).toBeGreaterThan(2);
  expect(shares).toEqual([...shares].sort((a, b) => a - b));
  expect(shares.at(-1)).toBeGreaterThan(shares[0]!);
  await forks.onModuleDestroy();
}, 60_000);

it('folds anew what an operator ordered to be folded anew, and lets go of what nobody asks for', async () => {
  const forks = forksWith({ idleMs: 1_000 });
  await forks.try(creating('new'));
  await prepared(forks);
  await ok('system_rebuild_projection', { projection: 'fleet_templates', reason: 'test' });
  expect(await forks.try(creating('new'))).toMatchObject({ answer: { kind: 'ok' } });
  for (let tries = 0; forks.isPrepared || tries < 5; tries++) {
    if (tries > 300) throw new Error('an idle fork was kept for 30 s');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(await forks.try(creating('t-3'))).toMatchObject({ answer: { kind: 'refused' } });
  await forks.onModuleDestroy();
}, 60_000);

import type { FoldedSources } from '#agent-gateway';
import type { ForkRequest } from '#audit';
import { START } from '#event-store';
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
  const { meta } = (await everything()).findLast((event) => event.type === 'system.template.created')!;
  const permissions = new Set(['system.templates.read', 'system.templates.write']);
  const who = { accountId: meta.accountId, operatorId: meta.actor.id, permissions };
  request = { tool: '', arguments: {}, ...who, horizonMs: 1_000 };
  const real = store.readAll.bind(store);
  Reflect.set(store, 'readAll', async (...args: Parameters<typeof real>) => {
    const batch = await real(...args);
    // Only forks read pages of this size.
    if (args[1].limit === 1_000) eventsRead.push(batch.events.length);
    return batch;
  });
}, 60_000);
afterAll(async () => {
  await drover?.stop();
  await kurrent?.stop();
}, 30_000);

const everything = async () => (await drover.platform.foundation.store.readAll(START, { limit: 999 })).events;
const ok = async (tool: string, args: object) => {
  const { body } = await drover.rest(tool, args);
  if (!body.success) throw new Error(`${tool}: ${JSON.stringify(body.error)}`);
  return body.data;
};
const pool = () => drover.platform.foundation.opened.postgres!.pool;
const creating = (name: string): ForkRequest => ({ ...request, tool: 'system_create_template', arguments: { name } });

const forksWith = (bounds: Partial<ForkBounds> = {}, folded: Partial<FoldedSources> = {}) => {
  const { app, foundation } = drover.platform;
  const { gateway } = foundation;
  const seen = {
    liveness: (id: string) => gateway.liveness(id),
    foldedSources: () => ({ ...gateway.foldedSources(), ...folded }),
    admitsAgents: gateway.admitsAgents,
  };
  const parts = {
    failover: app.get(FailoverService, { strict: false }),
    services: app.get<FleetServices>(FLEET_SERVICES, { strict: false }),
  };
  const platform = { ...foundation, gateway: seen };
  return new PlatformForks(platform, parts, { callMs: 60_000, runMs: 5_000, ...bounds });
};
const readIn = async (work: () => Promise<unknown>): Promise<number> => {
  eventsRead.length = 0;
  await work();
  return eventsRead.reduce((sum, events) => sum + events, 0);
};

it('begins where the platform has come to, reads no more than what that has not folded, and knows the newest event', async () => {
  const forks = forksWith();
  const first = await forks.try(creating('new'));
  expect(first.answer.kind).toBe('ok');
  expect(first.events.map((event) => event.type)).toContain('system.template.created');
  await ok('system_create_template', { name: 'late' });
  let second: Awaited<ReturnType<PlatformForks['try']>> | undefined;
  const read = await readIn(async () => (second = await forks.try(creating('late'))));
  expect(second?.answer).toMatchObject({ kind: 'refused' });
  expect(second?.forkedAt).toBe(await drover.platform.foundation.store.head());
  expect(read).toBeLessThan((await everything()).length / 2);
  await forks.onModuleDestroy();
}, 60_000);

it('reads what the platform has not folded yet, and is refused when that takes too long', async () => {
  const folded = { position: START };
  let outcome: Awaited<ReturnType<PlatformForks['try']>> | undefined;
  const read = await readIn(async () => (outcome = await forksWith({}, folded).try(creating('t-3'))));
  expect(outcome?.answer).toMatchObject({ kind: 'refused', refusal: { code: 'name_taken' } });
  expect(read).toBeGreaterThan((await everything()).length / 2);
  const hurried = forksWith({ callMs: -1, runMs: 0 }, folded).try(creating('new'));
  await expect(hurried).rejects.toMatchObject({ refusal: { code: 'fork_not_ready' } });
}, 60_000);

const tablesOf = async (state: string): Promise<number> => {
  const text = 'SELECT FROM processing.projections WHERE name = $1 AND state = $2';
  return (await pool().query(text, ['fleet_templates', state])).rows.length;
};

it('waits for no read model that is built anew while the old one is read, and is refused when there is none to read', async () => {
  const forks = forksWith();
  await ok('system_rebuild_projection', { projection: 'fleet_templates', reason: 'test' });
  expect(await forks.try(creating('t-3'))).toMatchObject({ answer: { kind: 'refused' } });
  for (let tries = 0; (await tablesOf('building')) > 0; tries++) {
    if (tries > 600) throw new Error('the read model was not built within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // As after an upgrade: readers see a table of an older build.
  const { rows } = await pool().query<{ columns: string }>(
    `SELECT columns FROM processing.projections WHERE name = 'fleet_templates' AND state = 'active'`,
  );
  const shape = (columns: string) =>
    pool().query(`UPDATE processing.projections SET columns = $1 WHERE name = 'fleet_templates'`, [columns]);
  await shape('of an older build');
  await expect(forks.try(creating('new'))).rejects.toMatchObject({
    refusal: { code: 'fork_not_ready', message: expect.stringContaining('fleet_templates') },
  });
  await shape(rows[0]!.columns);
  expect(await forks.try(creating('new'))).toMatchObject({ answer: { kind: 'ok' } });
}, 60_000);

it('keeps nothing open after a call, whether it was answered or not', async () => {
  await forksWith().try(creating('new'));
  await expect(forksWith({ callMs: -1, runMs: 0 }, { position: START }).try(creating('new'))).rejects.toThrow();
  const { rows } = await pool().query(
    `SELECT query FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()`,
  );
  expect(rows).toEqual([]);
}, 60_000);

import type { FoldedSources } from '#agent-gateway';
import { FORKS, type ForkRequest, type Forks } from '#audit';
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
/** What reads of forks wait for. */
let held: Promise<void> = Promise.resolve();

beforeAll(async () => {
  kurrent = await FakeKurrent.start();
  drover = await startTestPlatform({ DROVER_EVENT_STORE: 'kurrentdb', KURRENTDB_URL: kurrent.url });
  for (let n = 0; n < 15; n++) await ok('system_create_template', { name: `t-${n}` });
  const { store } = drover.platform.foundation;
  const { meta } = (await everything()).findLast((event) => event.type === 'system.template.created')!;
  const permissions = new Set(['system.templates.read', 'system.templates.write']);
  const who = { accountId: meta.accountId, operatorId: meta.actor.id, permissions };
  request = { tool: '', arguments: {}, ...who, horizonMs: 1_000, signal: new AbortController().signal };
  const real = store.readAll.bind(store);
  Reflect.set(store, 'readAll', async (...args: Parameters<typeof real>) => {
    // Only forks read pages of this size.
    const isOfFork = args[1].limit === 1_000;
    if (isOfFork) await held;
    const batch = await real(...args);
    if (isOfFork) eventsRead.push(batch.events.length);
    return batch;
  });
});
afterAll(async () => {
  await drover?.stop();
  await kurrent?.stop();
});

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
});

it('reads what the platform has not folded yet, and is refused when that takes too long', async () => {
  const folded = { position: START };
  let outcome: Awaited<ReturnType<PlatformForks['try']>> | undefined;
  const read = await readIn(async () => (outcome = await forksWith({}, folded).try(creating('t-3'))));
  expect(outcome?.answer).toMatchObject({ kind: 'refused', refusal: { code: 'name_taken' } });
  expect(read).toBeGreaterThan((await everything()).length / 2);
  const hurried = forksWith({ callMs: -1, runMs: 0 }, folded).try(creating('new'));
  await expect(hurried).rejects.toMatchObject({ refusal: { code: 'fork_not_ready' } });
});

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
});

const openTransactions = async (): Promise<unknown[]> => {
  const { rows } = await pool().query(
    `SELECT query FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()`,
  );
  return rows;
};
const GONE = { refusal: { code: 'caller_gone' } };

it('ends a prediction whose caller hangs up, never begins those that hung up waiting, and gives their places to others', async () => {
  const forks = forksWith({}, { position: START });
  let release = () => {};
  held = new Promise((resolve) => (release = resolve));
  const callers = Array.from({ length: 4 }, () => new AbortController());
  eventsRead.length = 0;
  const calls = callers.map(({ signal }, n) => forks.try({ ...creating(`many-${n}`), signal }));
  const outcomes = Promise.allSettled(calls);
  await expect(forks.try(creating('too many'))).rejects.toMatchObject({ refusal: { code: 'too_many_forks' } });
  for (const n of [0, 1, 2]) callers[n]!.abort();
  const another = forks.try(creating('another'));
  release();
  expect(await outcomes).toMatchObject([
    ...[0, 1, 2].map(() => ({ status: 'rejected', reason: GONE })),
    { status: 'fulfilled', value: { answer: { kind: 'ok' } } },
  ]);
  expect(await another).toMatchObject({ answer: { kind: 'ok' } });
  // One that was begun, and the two that are answered: each reads the log from its beginning.
  const whole = (await everything()).length;
  expect(eventsRead.reduce((sum, events) => sum + events, 0)).toBeLessThan(3.5 * whole);
  expect(await openTransactions()).toEqual([]);
});

it('ends a prediction that is under way: its tool has been called in the fork, and nothing waits for the horizon', async () => {
  const caller = new AbortController();
  const { store } = drover.platform.foundation;
  const real = store.readStream.bind(store);
  Reflect.set(store, 'readStream', (...args: Parameters<typeof real>) => {
    if (args[0] === request.accountId) caller.abort();
    return real(...args);
  });
  const call = forksWith().try({ ...creating('under way'), horizonMs: 3_600_000, signal: caller.signal });
  await expect(call).rejects.toMatchObject(GONE);
  Reflect.set(store, 'readStream', real);
  expect(caller.signal.aborted).toBe(true);
  expect(await openTransactions()).toEqual([]);
});

describe('a caller hangs up', () => {
  const whatIf = { tool: 'system_create_template', arguments: { name: 'new' } };
  const post = (path: string, body: object, signal: AbortSignal | null, session?: string) =>
    fetch(`${drover.url}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${drover.token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(session === undefined ? {} : { 'mcp-session-id': session, 'mcp-protocol-version': '2025-06-18' }),
      },
      body: JSON.stringify(body),
      signal,
    });
  const rpc = (method: string, params: object, id?: number) => ({ jsonrpc: '2.0', method, params, ...(id && { id }) });
  const mcp = rpc('tools/call', { name: 'what_if', arguments: whatIf }, 7);
  const cancel = rpc('notifications/cancelled', { requestId: 7 });
  const dryRun = { name: 'new', dry_run: true };

  it.each<[string, (signal: AbortSignal) => Promise<unknown>, (() => Promise<unknown>) | undefined]>([
    ['REST', (signal) => post('/api/v1/tools/what_if', whatIf, signal), undefined],
    ['REST, a dry run', (signal) => post('/api/v1/tools/system_create_template', dryRun, signal), undefined],
    ['REST, a dry run of a resource', (signal) => post('/api/v1/templates', dryRun, signal), undefined],
    ['MCP', (signal) => post('/mcp', mcp, signal, 'one'), undefined],
    ['MCP, cancelled', () => post('/mcp', mcp, null, 'two'), () => post('/mcp', cancel, null, 'two')],
  ])('over %s: the prediction hears of it', async (_, ask, hangUp) => {
    const forks = drover.platform.app.get<Forks>(FORKS, { strict: false });
    const real = forks.try.bind(forks);
    const caller = new AbortController();
    const heard = new Promise<boolean>((resolve) => {
      forks.try = async (asked) => {
        const over = new Promise((ended) => asked.signal.addEventListener('abort', ended, { once: true }));
        if (hangUp === undefined) caller.abort();
        else await hangUp();
        await over;
        resolve(true);
        return real(asked);
      };
    });
    const answered = ask(caller.signal).catch(() => undefined);
    expect(await heard).toBe(true);
    forks.try = real;
    await answered;
  });
});

it('keeps nothing open after a call, whether it was answered or not', async () => {
  await forksWith().try(creating('new'));
  await expect(forksWith({ callMs: -1, runMs: 0 }, { position: START }).try(creating('new'))).rejects.toThrow();
  expect(await openTransactions()).toEqual([]);
});

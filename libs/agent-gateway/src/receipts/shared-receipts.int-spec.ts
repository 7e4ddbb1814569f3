import 'reflect-metadata';
import pg from 'pg';
import { silentLog, systemClock, systemIds, systemRandom, systemTimers } from '#kernel';
import { testDatabase } from '#event-store';
import { AgentGateway } from '../gateway.js';
import { enroll, TestAgent, until } from '../testing/client.js';
import { startRig, TableSource, type Rig } from '../testing/rig.js';
import { postgresReceipts } from './receipt-table.js';

const SECTION = 'network/n-1';

describe('what nodes have applied, with two processes on one database', () => {
  let rig: Rig;
  let other: AgentGateway;
  let pool: pg.Pool;
  const agents: TestAgent[] = [];
  const beats = { beatMs: 200, leaseMs: 3_000, vipBeatMs: 50, vipLeaseMs: 150 };

  beforeAll(async () => {
    pool = new pg.Pool((await testDatabase()).connection);
    const receipts = postgresReceipts(pool);
    rig = await startRig({ receipts, beats });
    other = new AgentGateway({
      enrollment: () => rig.enrollment,
      ca: rig.ca,
      store: rig.store,
      clock: systemClock,
      timers: systemTimers,
      ids: systemIds,
      random: systemRandom,
      log: silentLog,
      storeEpoch: 'epoch-1',
      agentAddress: '127.0.0.1:0',
      enrollAddress: '127.0.0.1:0',
      serverNames: ['localhost'],
      beats,
      receipts,
    });
    other.addSource(new TableSource());
    await other.startEnrolling();
  });
  afterAll(async () => {
    for (const agent of agents) agent.close();
    await other.stop();
    await rig.close();
    await pool.end();
  });

  const said = (gateway: AgentGateway, instanceId: string) => {
    const { applied, sent, problems } = gateway.liveness(instanceId);
    return { applied: applied.get(SECTION), sent: sent?.get(SECTION), problems: problems?.get(SECTION) };
  };

  it('is known to the one that has no streams too, is taken over with the lead, and goes with the stream', async () => {
    const identity = await enroll(rig, 'token-1');
    const { instanceId } = identity;
    const agent = new TestAgent(rig, identity).connect().beatEvery(200);
    agents.push(agent);
    await rig.desire([instanceId], SECTION, { a: 1 });
    await until('the other process knows of the first', () => said(other, instanceId).applied !== undefined, 20_000);
    expect(said(other, instanceId)).toEqual(said(rig.gateway, instanceId));
    const first = said(other, instanceId).applied!;

    await rig.desire([instanceId], SECTION, { a: 2 });
    await until('the other process knows of the second', () => said(other, instanceId).applied! > first, 20_000);
    expect(said(other, instanceId)).toEqual(said(rig.gateway, instanceId));

    agent.close();
    await until('its stream is no one’s any more', () => said(other, instanceId).sent === undefined, 20_000);
    expect(said(other, instanceId).applied).toBeGreaterThan(first);
    const { rows } = await pool.query<{ n: number }>('SELECT count(*)::int AS n FROM gateway.receipts');
    // One row for each node and section, however often they change.
    expect(rows[0]!.n).toBe(1);
  });
});

import 'reflect-metadata';
import pg from 'pg';
import { testDatabase } from '#event-store';
import type { AgentGateway } from '../gateway.js';
import { enroll, TestAgent, until } from '../testing/client.js';
import { startRig, testGateway, type Rig } from '../testing/rig.js';
import { DeposedError, postgresReceipts } from './receipt-table.js';

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
    other = testGateway({ enrollment: () => rig.enrollment, ca: rig.ca, store: rig.store, beats, receipts });
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
    await until('the other process knows of the first', () => said(other, instanceId).applied !== undefined);
    expect(said(other, instanceId)).toEqual(said(rig.gateway, instanceId));
    const first = said(other, instanceId).applied!;

    await rig.desire([instanceId], SECTION, { a: 2 });
    await until('the other process knows of the second', () => said(other, instanceId).applied! > first);
    expect(said(other, instanceId)).toEqual(said(rig.gateway, instanceId));

    agent.close();
    await until('its stream is no one’s any more', () => said(other, instanceId).sent === undefined);
    expect(said(other, instanceId).applied).toBeGreaterThan(first);
    const { rows } = await pool.query<{ n: number }>('SELECT count(*)::int AS n FROM gateway.receipts');
    // One row for each node and section, however often they change.
    expect(rows[0]!.n).toBe(1);
  });

  it('is not overwritten by a leader of before that does not know yet that it was deposed', async () => {
    const table = postgresReceipts(pool);
    const row = (applied: bigint) => ({ instanceId: 'i-1', section: SECTION, applied, sent: applied, problems: [] });
    const seen = async () => (await table.after(0n)).receipts.filter((r) => r.instanceId === 'i-1');
    await table.begin(7);
    await table.write(7, [row(70n)]);
    await table.begin(8);
    expect(await seen()).toMatchObject([{ applied: 70n, sent: null }]);
    await table.write(8, [row(80n)]);
    await expect(table.write(7, [row(71n)])).rejects.toThrow(DeposedError);
    await expect(table.begin(7)).rejects.toThrow(DeposedError);
    await expect(table.drop(7, [row(0n)])).rejects.toThrow(DeposedError);
    expect(await seen()).toMatchObject([{ applied: 80n, sent: 80n, gone: false }]);
    await table.drop(8, [row(0n)]);
    expect(await seen()).toMatchObject([{ applied: null, gone: true }]);
    expect((await table.sections()).has('i-1')).toBe(false);
    await pool.query(`UPDATE gateway.receipts SET gone_at = now() - interval '2 hours' WHERE gone_at IS NOT NULL`);
    await table.drop(8, []);
    expect(await seen()).toEqual([]);
    await table.write(8, [row(81n)]);
    expect(await seen()).toMatchObject([{ applied: 81n, gone: false }]);
  });

  it('waits, when a later term begins, for a write that is under way, and forgets what that has left', async () => {
    const table = postgresReceipts(pool);
    const row = { instanceId: 'i-2', section: SECTION, applied: 1n, sent: 1n, problems: [] };
    await table.begin(9);
    const slow = await pool.connect();
    await slow.query('BEGIN');
    await postgresReceipts(slow as unknown as pg.Pool).write(9, [row]);
    const begun = table.begin(10);
    await slow.query('COMMIT');
    slow.release();
    await begun;
    const seen = (await table.after(0n)).receipts.filter((r) => r.instanceId === 'i-2');
    expect(seen).toMatchObject([{ applied: 1n, sent: null }]);
  });
});

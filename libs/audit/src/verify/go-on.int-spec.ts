import { appendEvents, memoryGround, postgresGround, type AuditGround } from '../testing/audit-ground.js';
import { AuditVerifier } from './audit-verifier.js';
import { inlineRunner } from './chunk-runner.js';
import { PortEventCheck } from './event-check.js';
import { PostgresEventCheck } from './postgres-event-check.js';

describe.each([
  ['on a store without a chain', memoryGround],
  ['on Postgres', postgresGround],
])('a check that goes on where the log was sealed to its end %s', (_, open: () => Promise<AuditGround>) => {
  let ground: AuditGround;
  beforeAll(async () => {
    ground = await open();
  });
  afterAll(() => ground.close());

  const verify = (after: bigint) => {
    const { log, seals: store, sink, pool } = ground;
    const events =
      pool === undefined
        ? new PortEventCheck(log, store)
        : new PostgresEventCheck({ pool, log, store, runner: () => inlineRunner(pool) });
    return new AuditVerifier({ store, events, sink, exportsIn: () => ground.exportsIn() }).verify({ after });
  };

  it('finds nothing to do, and nothing wrong', async () => {
    expect(await verify(5n)).toMatchObject({ intact: true, events: 0, through: 0n, complete: true });
    await appendEvents(ground.store, 12);
    await ground.sealAll();
    const whole = await verify(0n);
    expect(whole).toMatchObject({ intact: true, events: 12, through: 12n });
    for (const after of [12n, 1_000n]) {
      expect(await verify(after)).toEqual({ ...whole, events: 0 });
    }
  });

  it('takes up what came since', async () => {
    await appendEvents(ground.store, 3);
    expect(await verify(12n)).toMatchObject({ intact: true, findings: [], events: 3, through: 15n, complete: true });
  });
});

it('a log that was cut and rehashed to before that point is found', async () => {
  const ground = await postgresGround();
  const { log, seals: store, sink, pool } = ground;
  await appendEvents(ground.store, 12);
  await ground.sealAll();
  await pool.query(`
    SET session_replication_role = replica;
    DELETE FROM es.events WHERE position > 11;
    UPDATE es.log_head h SET position = e.position, chain_hash = e.chain_hash, recorded_ms = e.recorded_ms
      FROM es.events e WHERE e.position = 11;
    UPDATE es.streams s SET version = 11;
    SET session_replication_role = origin`);
  const events = new PostgresEventCheck({ pool, log, store, runner: () => inlineRunner(pool) });
  const report = await new AuditVerifier({ store, events, sink, exportsIn: () => ground.exportsIn() }).verify({
    after: 12n,
  });
  expect(report.findings[0]).toMatchObject({ kind: 'event', reason: expect.stringMatching(/head of the log/) });
  await ground.close();
});

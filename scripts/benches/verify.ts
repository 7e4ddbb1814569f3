import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { silentLog, systemClock, systemIds, systemRandom, systemTimers } from '#kernel';
import { EnvelopeSecretStore, MemorySecretRows } from '#access';
import { AuditOffice } from '#audit';
import { migrate, PostgresEventStore, startEmbeddedPostgres, type EventMeta } from '#event-store';

/** About 700 bytes as an envelope, like most of a fleet's events. */
const data = {
  node_id: 'node-3f1a2b4c-0000-4000-8000-000000000001',
  observed: { kernel: '6.8.0', k3s: 'v1.31.4+k3s1', wireguard: 'kernel', load: [0.12, 0.2, 0.31] },
  addresses: ['fd00:1234:5678:9abc::1', '10.0.0.17'],
};
const meta: EventMeta = {
  accountId: 'account-7c0f2f5e-1111-4111-8111-000000000002',
  actor: { kind: 'agent', id: 'instance-1' },
  commandId: 'cmd-0001',
  correlationId: 'corr-0001',
  causationId: 'cause-0001',
  occurredAt: '2026-01-01T00:00:00.000Z',
  severity: 'info',
  links: { node: 'node-3f1a2b4c-0000-4000-8000-000000000001' },
  topics: ['fleet.node'],
};
const progress = (text: string) => void process.stderr.write(`${text}\n`);

/**
 * The whole of verify_audit over a log of `--events`, sealed but for its last ones, on an embedded server: chain and columns over
 * the stored bytes, Merkle roots, signatures, key history, the file of seals, the streams' counts. The median of `--rounds`;
 * what it must not miss is tried at the end.
 */
export const run = async (args: readonly string[]) => {
  const { values } = parseArgs({
    args: [...args],
    options: { events: { type: 'string', default: '500000' }, rounds: { type: 'string', default: '3' } },
  });
  const dir = await mkdtemp(join(tmpdir(), 'drover-bench-'));
  const server = await startEmbeddedPostgres({ dataDir: join(dir, 'pg'), dieWithParent: true });
  const pool = new pg.Pool({ ...server.connection, max: 4 });
  try {
    await migrate(server.connection);
    const store = new PostgresEventStore({ connection: server.connection });
    const office = openOffice(store, { pool, connection: server.connection }, join(dir, 'seals.jsonl'));
    const seals = await fill(store, office, Number(values.events));
    const measured = await measure(office, Number(values.rounds));
    await mustFind(office, pool, BigInt(Math.floor(Number(values.events) / 2)));
    await store.close();
    return { bench: 'verify', ...measured, seals };
  } finally {
    await pool.end();
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
};

const openOffice = (
  store: PostgresEventStore,
  postgres: { pool: pg.Pool; connection: pg.ClientConfig },
  sinkFile: string,
): AuditOffice =>
  new AuditOffice({
    ...{ store, postgres, sinkFile, sealEvents: 1_000, sealMs: 60_000 },
    secrets: new EnvelopeSecretStore(new MemorySecretRows(), systemRandom.bytes(32), systemRandom, systemIds),
    ...{ clock: systemClock, timers: systemTimers, logger: silentLog },
  });

const PER_APPEND = 500;

const fill = async (store: PostgresEventStore, office: AuditOffice, count: number): Promise<number> => {
  const append = async () => {
    const events = Array.from({ length: PER_APPEND }, () => ({
      ...{ id: systemIds.uuid(), type: 'fleet.node.observed', schemaVersion: 1, data, meta },
    }));
    const done = await store.append({ stream: `node-${systemIds.uuid()}`, expected: 'no_stream', events });
    if (done.kind !== 'appended') throw new Error(`unexpected ${done.kind}`);
  };
  for (let n = 0; n < count; n += 8 * PER_APPEND) await Promise.all(Array.from({ length: 8 }, append));
  const stop = new AbortController();
  const started = performance.now();
  const run = office.run({ epoch: 1, signal: stop.signal });
  if (!(await office.sealNow(600_000))) throw new Error(`not sealed: ${office.problem()}`);
  progress(`sealed ${count} events at ${Math.round((count * 1_000) / (performance.now() - started))}/s`);
  await append();
  stop.abort();
  await run;
  return (await office.seals.head()).sealSeq;
};

const measure = async (office: AuditOffice, rounds: number) => {
  const rates: number[] = [];
  let events = 0;
  for (let round = 1; round <= rounds; round++) {
    const started = performance.now();
    const report = await office.verifier.verify();
    const rate = (report.events * 1_000) / (performance.now() - started);
    if (!report.intact) throw new Error(`the log is not intact: ${JSON.stringify(report.findings[0]?.reason)}`);
    progress(`round ${round}: ${report.events} events, ${Math.round(rate)}/s`);
    rates.push(rate);
    ({ events } = report);
  }
  rates.sort((a, b) => a - b);
  return { eps: Math.round(rates[Math.floor(rates.length / 2)] ?? 0), events };
};

/** Speed means nothing if a changed byte goes by. */
const mustFind = async (office: AuditOffice, pool: pg.Pool, at: bigint): Promise<void> => {
  const client = await pool.connect();
  await client.query('SET session_replication_role = replica');
  await client.query(
    `UPDATE es.events SET envelope = replace(envelope, '6.8.0', '6.8.1') WHERE position = $1::bigint`,
    [String(at)],
  );
  client.release(true);
  const [finding] = (await office.verifier.verify()).findings;
  if (finding?.position !== at) throw new Error(`the changed byte at ${at} was reported as ${finding?.position}`);
  progress(`found the byte that was changed at ${at}: ${finding.reason}`);
};

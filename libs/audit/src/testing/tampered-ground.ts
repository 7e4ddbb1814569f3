import { readFile, writeFile } from 'node:fs/promises';
import type pg from 'pg';
import { AuditVerifier } from '../verify/audit-verifier.js';
import { inlineRunner } from '../verify/chunk-runner.js';
import { PortEventCheck } from '../verify/event-check.js';
import type { Finding } from '../verify/findings.js';
import { PostgresEventCheck } from '../verify/postgres-event-check.js';
import { appendEvents, postgresGround, type AuditGround } from './audit-ground.js';

export type PostgresGround = AuditGround & { readonly pool: pg.Pool };

export const verifierOf = (ground: AuditGround, sink = true) => {
  const { log, seals: store, pool } = ground;
  const events =
    pool === undefined
      ? new PortEventCheck(log, store)
      : new PostgresEventCheck({ pool, log, store, runner: () => inlineRunner(pool) });
  return new AuditVerifier({
    ...{ store, events, exportsIn: () => ground.exportsIn() },
    ...(sink ? { sink: ground.sink } : {}),
  });
};

/** As someone with full rights on the database would: around the triggers. */
export const tamper = async (ground: PostgresGround, ...statements: string[]): Promise<void> => {
  const client = await ground.pool.connect();
  try {
    await client.query('SET session_replication_role = replica');
    for (const sql of statements) await client.query(sql);
    await client.query('SET session_replication_role = origin');
  } finally {
    client.release();
  }
};
const TABLES = ['es.events', 'es.streams', 'es.log_head', 'audit.seals', 'audit.head', 'audit.keys'];
export const kept = (table: string) => `kept_${table.replace('.', '_')}`;

/** Recomputes every hash from a position on, and the head: what an insider with the source code would do. */
export const REHASH = (from: number) => `
  DO $$ DECLARE
    previous bytea := coalesce((SELECT chain_hash FROM es.events WHERE position = ${from - 1}), sha256('drover event log'));
    row es.events%ROWTYPE;
  BEGIN
    FOR row IN SELECT * FROM es.events WHERE position >= ${from} ORDER BY position LOOP
      row.content_hash := sha256(convert_to(row.envelope, 'UTF8'));
      previous := sha256(previous || int8send(row.position) || convert_to(es.iso_time(row.recorded_ms), 'UTF8') || row.content_hash);
      UPDATE es.events SET content_hash = row.content_hash, chain_hash = previous WHERE position = row.position;
    END LOOP;
    UPDATE es.log_head h SET chain_hash = previous, position = e.position, recorded_ms = e.recorded_ms
      FROM (SELECT position, recorded_ms FROM es.events ORDER BY position DESC LIMIT 1) e;
  END $$`;
export const FORGE = (at: number) =>
  `UPDATE es.events SET envelope = replace(envelope, 'original', 'forged!!') WHERE position = ${at}`;
export const CUT = (after: number) => `DELETE FROM es.events WHERE position > ${after}`;
export const STREAMS = `DELETE FROM es.streams s WHERE NOT EXISTS (SELECT FROM es.events e WHERE e.stream = s.stream)`;
export const STREAM_VERSIONS = `UPDATE es.streams s SET version = (SELECT max(version) FROM es.events e WHERE e.stream = s.stream)`;
export const SEALS = (after: number) =>
  `DELETE FROM audit.seals WHERE seq > ${after}; UPDATE audit.head SET seal_seq = ${after}, exported_seq = ${after}`;

/** A sealed log that is as it was made before each test: seals over 1–10, 11–20, 21–25; 26–30 are covered by none. */
export const useTamperedGround = () => {
  let ground: PostgresGround;
  let sinkText: string;
  beforeAll(async () => {
    ground = await postgresGround();
    for (let n = 0; n < 5; n++) await appendEvents(ground.store, 5);
    await ground.sealAll();
    await appendEvents(ground.store, 5);
    for (const table of TABLES) await ground.pool.query(`CREATE TABLE ${kept(table)} AS TABLE ${table}`);
    sinkText = await readFile(ground.sinkFile, 'utf8');
  });
  afterEach(async () => {
    for (const table of TABLES)
      await tamper(ground, `DELETE FROM ${table}`, `INSERT INTO ${table} SELECT * FROM ${kept(table)}`);
    await writeFile(ground.sinkFile, sinkText);
  });
  afterAll(() => ground.close());
  return {
    get ground(): PostgresGround {
      return ground;
    },
    first: async (sink = true): Promise<Finding | undefined> => (await verifierOf(ground, sink).verify()).findings[0],
  };
};

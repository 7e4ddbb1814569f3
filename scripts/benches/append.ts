import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql';
import pg from 'pg';
import { deterministicUuid, systemIds } from '#kernel';
import { migrate, PostgresEventStore, startEmbeddedPostgres, verifyChain, type EventMeta } from '#event-store';

const EVENTS_PER_STREAM = 100;

/** About 546 bytes of JSON, data and meta together, the same for both stores. */
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

type AppendOne = (stream: string, version: number) => Promise<void>;
interface Round {
  readonly perSecond: number;
  readonly latencies: readonly number[];
}

/**
 * 64 callers, each appending one event at a time to streams of its own with an expected version, for us and for emmett in
 * turn, on one embedded server with fsync on. Ratios are taken per round, so that noise of the machine hits both.
 */
export const run = async (args: readonly string[]) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      callers: { type: 'string', default: '64' },
      rounds: { type: 'string', default: '7' },
      seconds: { type: 'string', default: '1.5' },
      'peer-pool': { type: 'string', default: '10' },
    },
  });
  const [callers, rounds, seconds] = [Number(values.callers), Number(values.rounds), Number(values.seconds)];
  const dataDir = await mkdtemp(join(tmpdir(), 'drover-bench-'));
  const server = await startEmbeddedPostgres({ dataDir, dieWithParent: true });
  try {
    await database(server.connection, 'ours');
    await database(server.connection, 'peer');
    const ours = await openOurs({ ...server.connection, database: 'ours' });
    const peer = openPeer({ ...server.connection, database: 'peer' }, Number(values['peer-pool']));
    const result = await compare(ours.append, peer.append, callers, rounds, seconds * 1_000);
    await ours.close();
    await peer.close();
    return { bench: 'append', ...result };
  } finally {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
};

const compare = async (ours: AppendOne, peer: AppendOne, callers: number, rounds: number, ms: number) => {
  const kept: { ours: Round; peer: Round }[] = [];
  for (let round = 0; round <= rounds; round++) {
    const pair = { ours: await oneRound(ours, callers, ms), peer: await oneRound(peer, callers, ms) };
    const label = round === 0 ? 'warm-up' : `round ${round}`;
    progress(`${label}: ours ${Math.round(pair.ours.perSecond)}/s, emmett ${Math.round(pair.peer.perSecond)}/s`);
    if (round > 0) kept.push(pair);
  }
  return {
    ours_eps: Math.round(median(kept.map((k) => k.ours.perSecond))),
    ours_p99_ms: round1(
      quantile(
        kept.flatMap((k) => k.ours.latencies),
        0.99,
      ),
    ),
    peer_eps: Math.round(median(kept.map((k) => k.peer.perSecond))),
    ratio: round1(median(kept.map((k) => k.ours.perSecond / k.peer.perSecond))),
  };
};

const oneRound = async (append: AppendOne, callers: number, ms: number): Promise<Round> => {
  const latencies: number[] = [];
  const begin = performance.now();
  const caller = async () => {
    for (let stream = '', version = 0; performance.now() - begin < ms; version++) {
      if (version % EVENTS_PER_STREAM === 0) [stream, version] = [`node-${systemIds.uuid()}`, 0];
      const sent = performance.now();
      await append(stream, version);
      latencies.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { perSecond: (latencies.length * 1_000) / (performance.now() - begin), latencies };
};

const openOurs = async (connection: pg.ClientConfig) => {
  await migrate(connection);
  const store = new PostgresEventStore({ connection });
  return {
    append: async (stream: string, version: number) => {
      const id = deterministicUuid('bench', stream, version);
      const outcome = await store.append({
        stream,
        expected: version,
        events: [{ id, type: 'fleet.node.observed', schemaVersion: 1, data, meta }],
      });
      if (outcome.kind !== 'appended') throw new Error(`unexpected ${outcome.kind}`);
    },
    close: async () => {
      await checkLog(store, connection);
      await store.close();
    },
  };
};

/** Speed means nothing if the log is wrong. */
const checkLog = async (store: PostgresEventStore, connection: pg.ClientConfig): Promise<void> => {
  const pool = new pg.Pool(connection);
  const head = await store.head();
  for await (const report of verifyChain(pool)) {
    if (report.kind === 'broken') throw new Error(`the chain is broken at ${report.position}: ${report.reason}`);
    if (report.through >= head) break;
  }
  progress(`verified the chain over ${head} events`);
  await pool.end();
};

const openPeer = (connection: pg.ClientConfig, size: number) => {
  const pool = new pg.Pool({ ...connection, max: size });
  // emmett lets go of a pool without waiting for it, so the server's shutdown may still reach an idle connection.
  pool.on('error', (error) => progress(`peer pool: ${error.message}`));
  const url = `postgresql://${connection.user}@localhost/${connection.database}`;
  const store = getPostgreSQLEventStore(url, { connectionOptions: { pooled: true, pool } });
  return {
    append: async (stream: string, version: number) => {
      await store.appendToStream(stream, [{ type: 'fleet.node.observed', data, metadata: { ...meta } }], {
        expectedStreamVersion: version === 0 ? 'STREAM_DOES_NOT_EXIST' : BigInt(version),
      });
    },
    close: async () => {
      await store.close();
      if (!pool.ended) await pool.end();
    },
  };
};

const database = async (connection: pg.ClientConfig, name: string): Promise<void> => {
  const client = new pg.Client(connection);
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
};

const progress = (text: string) => process.stderr.write(`${text}\n`);
const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
};
const median = (values: readonly number[]): number => quantile(values, 0.5);
const round1 = (value: number): number => Math.round(value * 10) / 10;

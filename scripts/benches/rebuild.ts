import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  getPostgreSQLEventStore,
  pongoMultiStreamProjection,
  rebuildPostgreSQLProjections,
} from '@event-driven-io/emmett-postgresql';
import pg from 'pg';
import { canonicalJson, EventCatalogue, silentLog, systemClock, systemTimers } from '#kernel';
import { migrate, PostgresEventStore, startEmbeddedPostgres, type RecordedEvent } from '#event-store';
import { fleetEvents, fleetInstances, fleetNodes, fleetTemplates, type InstanceDoc } from '#fleet';
import { postgresStorage, processingEvents, ProcessingHost } from '#processing';
import { fleetLog, type Act } from './support/fleet-log.js';

/** What a rebuild gives, so that both sides can be held to the same content. */
interface Rebuilt {
  readonly perSecond: number;
  readonly documents: ReadonlyMap<string, object>;
}
interface Side {
  /** Of the log that this side holds. */
  readonly events: number;
  rebuild(): Promise<Rebuilt>;
  close(): Promise<void>;
}

/**
 * The projection with the richest documents (`fleet_instances`: every event of an instance changes it) is rebuilt from the
 * log of a fleet by the platform's own processing host, and by emmett into pongo with the very same fold. Both on one
 * embedded server with fsync on, in turn, ratios per round. The peer holds a shorter log of the same fleet: it would be at
 * ours for minutes, and a longer one makes it slower still.
 */
export const run = async (args: readonly string[]) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      events: { type: 'string', default: '100000' },
      'peer-events': { type: 'string', default: '2000' },
      rounds: { type: 'string', default: '5' },
    },
  });
  const rounds = Number(values.rounds);
  const dataDir = await mkdtemp(join(tmpdir(), 'drover-bench-'));
  const server = await startEmbeddedPostgres({ dataDir, dieWithParent: true });
  try {
    await database(server.connection, 'ours');
    await database(server.connection, 'peer');
    const peer = await openPeer({ ...server.connection, database: 'peer' }, history(Number(values['peer-events'])));
    const ours = await openOurs({ ...server.connection, database: 'ours' }, history(Number(values.events)));
    const result = await compare(ours, peer, rounds);
    await ours.close();
    await peer.close();
    return { bench: 'rebuild', ...result, log_events: ours.events, peer_log_events: peer.events };
  } finally {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
};

const ROUNDS_OF_LIFE = 10;

/** About so many events: youth is 8 an instance, each round of life 7 events over 3 instances. */
const history = (events: number): Act[] => {
  const instances = Math.max(3, Math.round(events / (8 + (ROUNDS_OF_LIFE * 7) / 3)));
  return [...fleetLog(instances, ROUNDS_OF_LIFE)];
};

const compare = async (ours: Side, peer: Side, rounds: number) => {
  const kept: { ours: number; peer: number }[] = [];
  for (let round = 0; round <= rounds; round++) {
    const [mine, theirs] = [await ours.rebuild(), await peer.rebuild()];
    sameContent(mine, theirs);
    const pair = { ours: mine.perSecond, peer: theirs.perSecond };
    const label = round === 0 ? 'warm-up' : `round ${round}`;
    progress(`${label}: ours ${Math.round(pair.ours)} events/s, emmett pongo ${Math.round(pair.peer)} events/s`);
    if (round > 0) kept.push(pair);
  }
  return {
    ours_eps: Math.round(median(kept.map((k) => k.ours))),
    peer_eps: Math.round(median(kept.map((k) => k.peer))),
    ratio: Math.round(median(kept.map((k) => k.ours / k.peer)) * 10) / 10,
  };
};

/** Speed means nothing if the documents are not the fold of the log: the peer's instances have the same beginning. */
const sameContent = (ours: Rebuilt, peer: Rebuilt): void => {
  if (peer.documents.size === 0) throw new Error('the peer built nothing');
  for (const [key, theirs] of peer.documents) {
    const mine = ours.documents.get(key) as InstanceDoc | undefined;
    const same = mine !== undefined && comparable(mine) === comparable(theirs as InstanceDoc);
    if (!same) throw new Error(`${key} differs:\n${JSON.stringify(mine)}\n${JSON.stringify(theirs)}`);
  }
};

/** Times depend on the place in the log, and that on the size of the fleet. */
const comparable = ({ id, instance, modules }: InstanceDoc): string =>
  canonicalJson({ id, instance: { ...instance, overdue: null }, modules: modules.map((m) => ({ ...m, since: '' })) });

const openOurs = async (connection: pg.ClientConfig, log: readonly Act[]): Promise<Side> => {
  await migrate(connection);
  const store = new PostgresEventStore({ connection });
  const events = await fill(log, 512, async ({ stream, events: batch }) => {
    const outcome = await store.append({ stream, expected: 'any', events: batch });
    if (outcome.kind !== 'appended') throw new Error(`unexpected ${outcome.kind}`);
  });
  const pool = new pg.Pool({ ...connection, max: 12 });
  pool.on('error', (error) => progress(`pool: ${error.message}`));
  const host = new ProcessingHost({
    store,
    catalogue: new EventCatalogue([...fleetEvents, ...processingEvents]),
    storage: postgresStorage(pool),
    dispatcher: { dispatch: () => Promise.reject(new Error('nothing is dispatched here')) },
    clock: systemClock,
    timers: systemTimers,
    log: silentLog,
  });
  for (const add of [fleetTemplates, fleetNodes, fleetInstances]) host.addProjection(add as never);
  await host.start();
  const before = await host.digest(fleetInstances.name);
  const rebuild = async (): Promise<Rebuilt> => {
    const began = performance.now();
    await host.rebuild(fleetInstances.name);
    const perSecond = (events * 1_000) / (performance.now() - began);
    const after = await host.digest(fleetInstances.name);
    if (after.sha256 !== before.sha256) throw new Error('the rebuilt read model has another digest');
    const documents = await host.readModels.find(fleetInstances);
    return { perSecond, documents: new Map(documents.map((doc) => [doc.id, doc])) };
  };
  const close = async () => {
    await host.stop();
    await store.close();
    await pool.end();
  };
  return { events, rebuild, close };
};

type Stored = { _id?: string; _version?: bigint } & InstanceDoc;

/** The fold of ours as emmett's `evolve`; only the events that can change a document reach it, as with ours. */
const peerProjection = () =>
  pongoMultiStreamProjection({
    collectionName: 'fleet_instances',
    canHandle: fleetEvents.map((e) => e.type).filter((type) => !/^system\.(template|node)\./.test(type)) as never,
    getDocumentId: (event: { metadata: unknown }) => (event.metadata as { streamName: string }).streamName,
    evolve: (stored: Stored | null, event: { type: string; data: object; metadata: object }) => {
      const doc: Partial<Stored> = { ...stored };
      delete doc._id;
      delete doc._version;
      const metadata = event.metadata as { streamName: string; accountId: string };
      const recorded = { type: event.type, data: event.data, stream: metadata.streamName, meta: metadata };
      const known = stored === null ? undefined : (doc as InstanceDoc);
      return fleetInstances.fold(known, recorded as unknown as RecordedEvent, metadata.streamName) as Stored;
    },
  } as never);

const openPeer = async (connection: pg.ClientConfig, log: readonly Act[]): Promise<Side> => {
  const pool = new pg.Pool({ ...connection, max: 4 });
  // emmett lets go of a pool without waiting for it, so the server's shutdown may still reach an idle connection.
  pool.on('error', (error) => progress(`peer pool: ${error.message}`));
  const host = encodeURIComponent(String(connection.host));
  const url = `postgresql://${connection.user}@localhost:${connection.port}/${connection.database}?host=${host}`;
  const store = getPostgreSQLEventStore(url, { connectionOptions: { pooled: true, pool } });
  // One at a time: its reader orders by transaction but continues by position, and misses what racing writers interleave.
  const events = await fill(log, 1, async ({ stream, events: batch }) => {
    await store.appendToStream(
      stream,
      batch.map(({ type, data, meta }) => ({ type, data, metadata: { ...meta } })),
    );
  });
  const rebuild = async (): Promise<Rebuilt> => {
    // It truncates the documents at the start but keeps where it was, and would have nothing left to do.
    await pool.query(`DELETE FROM emt_processors`).catch((error: { code?: string }) => {
      if (error.code !== '42P01') throw error;
    });
    const began = performance.now();
    const consumer = rebuildPostgreSQLProjections({
      connectionString: url,
      projections: [peerProjection()],
      pulling: { batchSize: 500, pullingFrequencyInMs: 0 },
    });
    await consumer.start();
    const perSecond = (events * 1_000) / (performance.now() - began);
    await consumer.close();
    const { rows } = await pool.query<{ _id: string; data: InstanceDoc }>('SELECT _id, data FROM fleet_instances');
    return { perSecond, documents: new Map(rows.map((row) => [row._id, row.data])) };
  };
  const close = async () => {
    await store.close();
    if (!pool.ended) await pool.end();
  };
  return { events, rebuild, close };
};

/** One stream's appends in order, many streams at once. */
const fill = async (log: readonly Act[], atOnce: number, append: (act: Act) => Promise<void>): Promise<number> => {
  const tails = new Map<string, Promise<void>>();
  let events = 0;
  for (const [n, act] of log.entries()) {
    const turn = (tails.get(act.stream) ?? Promise.resolve()).then(() => append(act));
    tails.set(act.stream, turn);
    events += act.events.length;
    if ((n + 1) % atOnce === 0) await Promise.all(tails.values());
  }
  await Promise.all(tails.values());
  progress(`a log of ${events} events`);
  return events;
};

const database = async (connection: pg.ClientConfig, name: string): Promise<void> => {
  const client = new pg.Client(connection);
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
};

const progress = (text: string) => process.stderr.write(`${text}\n`);
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

import pg from 'pg';
import {
  accessEvents,
  EnvelopeSecretStore,
  PostgresSecretRows,
  secretShredder,
  ShredSecrets,
  ShredSecretsHandler,
} from '#access';
import { PostgresEventStore } from '#event-store';
import { EventCatalogue, silentLog, systemClock, systemIds, systemRandom, systemTimers } from '#kernel';
import { postgresStorage, processingEvents, ProcessingHost, Transactor, type CommandDispatcher } from '#processing';
import { fleetEvents } from '../../../libs/fleet/src/domain/events.js';
import { kubernetesEvents } from '../../../libs/kubernetes/src/domain/events.js';

export const MASTER_KEY = new Uint8Array(32).fill(42);
export const catalogue = new EventCatalogue([
  ...accessEvents,
  ...fleetEvents,
  ...kubernetesEvents,
  ...processingEvents,
] as never);

/** The part of the platform that shreds, over one database: what the platform process and its murdered double run alike. */
export const shreddingGround = (connection: pg.ClientConfig) => {
  const store = new PostgresEventStore({ connection });
  const pool = new pg.Pool({ ...connection, max: 4 });
  // Dropping the database cuts off connections that are just being closed; the pool would throw that.
  pool.on('error', () => undefined);
  const transactor = new Transactor(store, catalogue);
  const secrets = new EnvelopeSecretStore(new PostgresSecretRows(pool), MASTER_KEY, systemRandom, systemIds);
  const handler = new ShredSecretsHandler(secrets, transactor);
  const dispatcher: CommandDispatcher = { dispatch: (command) => handler.execute(command as never) as never };
  const edges = { clock: systemClock, timers: systemTimers, log: silentLog };
  const host = new ProcessingHost({ store, storage: postgresStorage(pool), catalogue, dispatcher, ...edges });
  host.addProcessManager(secretShredder(catalogue));
  host.addCommand(ShredSecrets);
  const close = async () => {
    await host.stop();
    await store.close();
    await pool.end();
  };
  return { store, pool, transactor, secrets, host, close };
};

import { EventCatalogue, type Config, type Log } from '#kernel';
import type { EventStore } from '#event-store';
import { accessEvents } from '#access';
import { fleetEvents } from '#fleet';
import { kubernetesEvents } from '#kubernetes';
import { sdwanEvents } from '#sdwan';
import { Transactor } from '#processing';
import { CursorCodec, MemoryIdempotencyLedger, PostgresIdempotencyLedger, type IdempotencyLedger } from '#tools';
import type { Closing } from './closing.js';
import { openAccess, type OpenedAccess } from './parts/access.js';
import { openStore, type OpenedStore } from './parts/event-store.js';
import { MemoryProcessing } from './parts/processing.js';

/** All that exists before Nest: what the contexts are handed as ports. */
export interface Foundation {
  readonly config: Config;
  readonly log: Log;
  readonly opened: OpenedStore;
  readonly store: EventStore;
  readonly catalogue: EventCatalogue;
  readonly transactor: Transactor;
  readonly processing: MemoryProcessing;
  readonly access: OpenedAccess;
  readonly ledger: IdempotencyLedger;
  readonly cursors: CursorCodec;
}

export const openFoundation = async (config: Config, log: Log, closing: Closing): Promise<Foundation> => {
  const opened = await openStore(config, log.child({ part: 'store' }));
  closing.add('event store', opened.close);
  const catalogue = new EventCatalogue([...accessEvents, ...fleetEvents, ...sdwanEvents, ...kubernetesEvents]);
  const transactor = new Transactor(opened.store, catalogue);
  const access = await openAccess({ config, log, opened, store: opened.store, transactor }, closing);
  return {
    config,
    log,
    opened,
    store: opened.store,
    catalogue,
    transactor,
    processing: new MemoryProcessing(opened.store),
    access,
    ledger:
      opened.postgres === undefined
        ? new MemoryIdempotencyLedger()
        : new PostgresIdempotencyLedger(opened.postgres.pool),
    cursors: new CursorCodec(access.cursorKey),
  };
};

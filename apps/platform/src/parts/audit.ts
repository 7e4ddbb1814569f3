import { join } from 'node:path';
import { systemClock, systemTimers, type Config, type Log } from '#kernel';
import type { SecretStore } from '#access';
import { AuditOffice } from '#audit';
import type { OpenedStore } from './event-store.js';

const SEAL_EVENTS = 1_000;

export interface AuditParts {
  readonly config: Config;
  readonly log: Log;
  readonly opened: OpenedStore;
  readonly secrets: SecretStore;
}

/** What is kept in memory has no witness outside of it. */
export const openAudit = ({ config, log, opened, secrets }: AuditParts): AuditOffice => {
  const { store, postgres } = opened;
  const sinkFile = config.DROVER_AUDIT_SINK ?? join(config.DROVER_DATA_DIR, 'audit', 'seals.jsonl');
  return new AuditOffice({
    store,
    secrets,
    ...(postgres === undefined ? {} : { postgres, sinkFile }),
    sealEvents: SEAL_EVENTS,
    sealMs: config.DROVER_AUDIT_SEAL_SECONDS * 1_000,
    clock: systemClock,
    timers: systemTimers,
    logger: log.child({ part: 'audit' }),
  });
};

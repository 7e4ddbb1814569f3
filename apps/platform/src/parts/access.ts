import { createHmac } from 'node:crypto';
import { systemClock, systemIds, systemRandom, type Config, type Log } from '#kernel';
import type { EventStore } from '#event-store';
import type { Transactor } from '#processing';
import {
  bootstrapAccess,
  EnvelopeSecretStore,
  MemorySecretRows,
  openMasterKey,
  OperatorDirectory,
  PlatformCa,
  PostgresSecretRows,
  type CertificateAuthority,
  type SecretStore,
} from '#access';
import type { Closing } from '../closing.js';
import type { OpenedStore } from './event-store.js';
import { proveIdentity, refuseForeignDatabase } from './identity.js';

export interface OpenedAccess {
  readonly operators: OperatorDirectory;
  readonly secrets: SecretStore;
  readonly ca: CertificateAuthority;
  /** 32 bytes, for position cursors; the same on every process that shares the master key. */
  readonly cursorKey: Uint8Array;
  readonly tokenFile: string;
  /** Only on the first start. */
  readonly firstToken?: string;
}

export interface AccessParts {
  readonly config: Config;
  readonly log: Log;
  readonly opened: OpenedStore;
  readonly store: EventStore;
  readonly transactor: Transactor;
}

/** Keys, CA, secrets and the first operator: made at the first start, found at every later one. */
export const openAccess = async (parts: AccessParts, closing: Closing): Promise<OpenedAccess> => {
  const dataDir = parts.config.DROVER_DATA_DIR;
  const edges = { clock: systemClock, random: systemRandom, dataDir };
  const { postgres } = parts.opened;
  if (postgres !== undefined) await refuseForeignDatabase(postgres.pool, dataDir);
  const masterKey = await openMasterKey(dataDir, systemRandom);
  const rows =
    postgres === undefined ? new MemorySecretRows(() => systemClock.wallMs()) : new PostgresSecretRows(postgres.pool);
  const ca = await PlatformCa.open(edges);
  if (postgres !== undefined) await proveIdentity(postgres.pool, dataDir, { masterKey, caPem: ca.caPem() });
  const first = await bootstrapAccess({ ...edges, transactor: parts.transactor });
  const operators = new OperatorDirectory(parts.store, systemClock, parts.log);
  const following = new AbortController();
  const followed = operators.follow(following.signal);
  closing.add('operator directory', () => (following.abort(), followed));
  return {
    operators,
    ca,
    secrets: new EnvelopeSecretStore(rows, masterKey, systemRandom, systemIds),
    cursorKey: createHmac('sha256', masterKey).update('drover position cursors').digest(),
    tokenFile: first.tokenFile,
    ...(first.adminToken === undefined ? {} : { firstToken: first.adminToken }),
  };
};

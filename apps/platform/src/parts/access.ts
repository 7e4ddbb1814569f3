import { createHmac } from 'node:crypto';
import { hostname } from 'node:os';
import { systemClock, systemIds, systemRandom, systemTimers, type Config, type Log } from '#kernel';
import type pg from 'pg';
import type { EventStore } from '#event-store';
import type { Transactor } from '#processing';
import {
  Admission,
  bootstrapAccess,
  EnvelopeSecretStore,
  FairTurns,
  LoginLimits,
  MemorySecretRows,
  MasterKeyRotation,
  MasterKeys,
  operatorDecider,
  OperatorDirectory,
  PlatformCa,
  PostgresSecretRows,
  RotationRows,
  type CertificateAuthority,
  type SecretStore,
} from '#access';
import type { Closing } from '../closing.js';
import type { OpenedStore } from './event-store.js';
import { proveIdentity, refuseForeignDatabase } from './identity.js';

export interface OpenedAccess {
  readonly operators: OperatorDirectory;
  /** One count for every surface of this process. */
  readonly limits: LoginLimits;
  readonly admission: Admission;
  readonly secrets: SecretStore;
  readonly ca: CertificateAuthority;
  /** Absent where everything is in memory. */
  readonly rotation: MasterKeyRotation | undefined;
  /** 32 bytes, for position cursors; the same on every process, whichever master key there is by now. */
  readonly cursorKey: Uint8Array;
  /** For states of streams that are kept beside the log. */
  readonly keptKey: Uint8Array;
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

/** Tokens from noisy places that are looked at, and that wait for it. */
const [AT_ONCE, MAX_WAITING] = [16, 1_000];

/** Keys, CA, secrets and the first operator: made at the first start, found at every later one. */
export const openAccess = async (parts: AccessParts, closing: Closing): Promise<OpenedAccess> => {
  const dataDir = parts.config.DROVER_DATA_DIR;
  const edges = { clock: systemClock, random: systemRandom, dataDir };
  const { postgres } = parts.opened;
  if (postgres !== undefined) await refuseForeignDatabase(postgres.pool, dataDir);
  const masterKeys = await MasterKeys.open(dataDir, systemRandom);
  const rows =
    postgres === undefined ? new MemorySecretRows(() => systemClock.wallMs()) : new PostgresSecretRows(postgres.pool);
  const ca = await PlatformCa.open(edges);
  if (postgres !== undefined) await proveIdentity(postgres.pool, dataDir, { masterKeys, caPem: ca.caPem() });
  const first = await bootstrapAccess({ ...edges, transactor: parts.transactor });
  const operators = new OperatorDirectory(parts.store, systemClock, parts.log, (id) =>
    parts.transactor.read(id, operatorDecider),
  );
  const following = new AbortController();
  const followed = operators.follow(following.signal);
  closing.add('operator directory', () => (following.abort(), followed));
  const secrets = new EnvelopeSecretStore(rows, masterKeys, systemRandom, systemIds);
  const rotation = postgres === undefined ? undefined : openRotation(parts, postgres.pool, masterKeys, closing);
  const limits = new LoginLimits(systemClock, parts.config.DROVER_LOGIN_FAILURES);
  const cursorKey = await cursorKeyOf(secrets, masterKeys);
  return {
    operators,
    limits,
    admission: new Admission(operators, limits, new FairTurns(AT_ONCE, MAX_WAITING)),
    ca,
    secrets,
    rotation,
    cursorKey,
    keptKey: createHmac('sha256', cursorKey).update('drover kept states').digest(),
    tokenFile: first.tokenFile,
    ...(first.adminToken === undefined ? {} : { firstToken: first.adminToken }),
  };
};

const openRotation = (
  { log, transactor, config }: AccessParts,
  pool: pg.Pool,
  keys: MasterKeys,
  closing: Closing,
): MasterKeyRotation => {
  const rotation = new MasterKeyRotation({
    ...{ keys, transactor, random: systemRandom, clock: systemClock, timers: systemTimers },
    rows: new RotationRows(pool),
    log: log.child({ part: 'master key' }),
    holder: { id: systemIds.uuid(), label: `${hostname()} (process ${process.pid}, ${config.DROVER_DATA_DIR})` },
  });
  rotation.start();
  closing.add('master key', () => rotation.stop());
  return rotation;
};

/** Derived from the master key of the first start that asks, and kept: cursors outlive a rotation. */
const cursorKeyOf = async (secrets: SecretStore, { current }: MasterKeys): Promise<Uint8Array> => {
  const kept = await secrets.get(CURSOR_KEY.join('#'));
  if (kept !== undefined) return Buffer.from(kept, 'hex');
  const derived = createHmac('sha256', current.bytes).update('drover position cursors').digest();
  await secrets.put(...CURSOR_KEY, derived.toString('hex'));
  return derived;
};
const CURSOR_KEY = ['platform', 'cursor-key'] as const;

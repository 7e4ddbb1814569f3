import { hostname, networkInterfaces } from 'node:os';
import {
  systemClock,
  systemIds,
  systemRandom,
  systemTimers,
  type Config,
  type EventCatalogue,
  type Log,
} from '#kernel';
import type { CertificateAuthority } from '#access';
import { AgentGateway, postgresReceipts, readStoreEpoch, type EnrollmentHandler, type PushWatch } from '#agent-gateway';
import { parseAddress } from '../addresses.js';
import type { OpenedStore } from './event-store.js';

export interface GatewayParts {
  readonly config: Config;
  readonly log: Log;
  readonly opened: OpenedStore;
  readonly catalogue: EventCatalogue;
  readonly ca: CertificateAuthority;
  readonly enrollment: () => EnrollmentHandler;
  readonly pushes?: PushWatch | undefined;
  /** Of the lead that this process has now. */
  readonly term: () => number | undefined;
}

/** A memory store is a new store at each start, and its epoch says so. */
const storeEpoch = async ({ postgres }: OpenedStore): Promise<string> =>
  postgres === undefined ? systemIds.uuid() : readStoreEpoch(postgres.pool);

/** Every name under which an agent may have been told to find this machine. */
const serverNames = (config: Config): string[] => {
  const listen = [config.DROVER_AGENT_ADDR, config.DROVER_ENROLL_ADDR].map((address) => parseAddress(address).host);
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const told =
    config.DROVER_PUBLIC_URL === undefined
      ? []
      : [parseAddress(`${new URL(config.DROVER_PUBLIC_URL).hostname}:0`).host];
  const names = ['localhost', '127.0.0.1', '::1', hostname(), ...told, ...listen, ...own.map(({ address }) => address)];
  return [...new Set(names)].filter((name) => name !== '0.0.0.0' && name !== '::' && !name.includes('%'));
};

export const openGateway = async ({
  config,
  log,
  opened,
  catalogue,
  ca,
  enrollment,
  pushes,
  term,
}: GatewayParts): Promise<AgentGateway> =>
  new AgentGateway({
    store: opened.store,
    catalogue,
    enrollment,
    ca,
    clock: systemClock,
    timers: systemTimers,
    ids: systemIds,
    random: systemRandom,
    log: log.child({ part: 'gateway' }),
    ...(pushes === undefined ? {} : { pushes }),
    storeEpoch: await storeEpoch(opened),
    receipts: opened.postgres && postgresReceipts(opened.postgres.pool),
    term,
    agentAddress: config.DROVER_AGENT_ADDR,
    enrollAddress: config.DROVER_ENROLL_ADDR,
    serverNames: serverNames(config),
    beats: {
      beatMs: config.DROVER_BEAT_MS,
      leaseMs: config.DROVER_LEASE_MS,
      vipBeatMs: config.DROVER_VIP_BEAT_MS,
      vipLeaseMs: config.DROVER_VIP_LEASE_MS,
    },
  });

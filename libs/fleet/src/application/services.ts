import type { Clock, Config, Ids, Log, Random } from '#kernel';
import type { EventStore } from '#event-store';
import type { ReadModels, Transactor } from '#processing';
import type { CertificateAuthority, SecretStore } from '#access';
import type { DrainAdvice } from './drain-advice.js';
import type { ProvisioningDriver } from '../provisioning/driver.js';

/** What fleet's handlers need, in one bundle: the same functions run under Nest, in tests and in a simulator. */
export interface FleetServices {
  readonly transactor: Transactor;
  readonly store: EventStore;
  readonly readModels: ReadModels;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly log: Log;
  readonly config: Pick<Config, 'DROVER_ENROLL_ADDR' | 'DROVER_AGENT_ADDR' | 'DROVER_PUBLIC_URL'>;
  readonly authority: CertificateAuthority;
  readonly secrets: SecretStore;
  readonly drainAdvice: DrainAdvice;
  /** By name. */
  readonly drivers: ReadonlyMap<string, ProvisioningDriver>;
}
export const FLEET_SERVICES = Symbol('FleetServices');

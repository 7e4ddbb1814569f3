import type { Clock, Config, Ids, Random, Timers } from '#kernel';
import type { EventStore } from '#event-store';
import type { ReadModels } from '#processing';
import type { RoutingReports } from '../application/routing-reports.js';
import type { KeyRotator } from '../application/key-rotator.js';
import type { FailoverService } from '../application/failover/failover-service.js';

/** What the tools of this context need. */
export interface SdwanToolServices {
  readonly readModels: ReadModels;
  readonly store: EventStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: Ids;
  readonly random: Random;
  readonly config: Config;
  readonly failover: FailoverService;
  readonly routing: Pick<RoutingReports, 'get'>;
  readonly rotator: KeyRotator;
  /** When a peer was last heard of, as far as this process knows. */
  readonly lastHandshakeMs: (peerId: string) => number | undefined;
}

import type { Clock, EventCatalogue, Ids, Log, Random, Timers } from '#kernel';
import type { CertificateAuthority } from '#access';
import type { EventStore } from '#event-store';
import type { Beats } from './liveness/leases.js';
import type { EnrollmentHandler, PushWatch } from './ports.js';
import type { ReceiptTable } from './receipts/receipt-table.js';

export interface AgentGatewayOptions {
  readonly store: EventStore;
  /** What brings old events to their current schema before sources fold them. */
  readonly catalogue?: Pick<EventCatalogue, 'current'>;
  /** Looked up when first needed: the handler's context may itself use this gateway. */
  readonly enrollment: () => EnrollmentHandler;
  readonly ca: CertificateAuthority;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: Ids;
  readonly random: Random;
  readonly log: Log;
  /** See readStoreEpoch. */
  readonly storeEpoch: string;
  /** HOST:PORT to listen on. */
  readonly agentAddress: string;
  readonly enrollAddress: string;
  /** DNS names and IP addresses under which agents reach the platform. */
  readonly serverNames: readonly string[];
  readonly beats: Beats;
  /** Changes within this many milliseconds are compiled together; 5 by default. */
  readonly coalesceMs?: number;
  readonly pushes?: PushWatch;
  /** Where several processes share what nodes have said. */
  readonly receipts?: ReceiptTable | undefined;
  /** Of the lead that this process has now; undefined while it has none. What it shares is fenced by it. */
  readonly term?: () => number | undefined;
  /** For how long agents that were online before the start may stay away before they count as lost; 30 s by default. */
  readonly reconnectWindowMs?: number;
}

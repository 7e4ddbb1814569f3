import type { EventLinks, EventOf } from '#kernel';
import type { instanceEvents } from './events.js';

export type InstanceEvent = EventOf<(typeof instanceEvents)[number]>;

export type InstancePhase = 'pending' | 'provisioning' | 'error' | 'starting' | 'running' | 'terminated' | 'forgotten';

export interface JoinToken {
  readonly tokenId: string;
  readonly expiresAt: string;
  /** `superseded`: another token enrolled the instance first. */
  readonly use: 'open' | 'used' | 'superseded';
}

export interface Certificate {
  readonly serial: string;
  readonly publicKeyDigest: string;
  readonly notAfter: string;
  /** Base64 DER; empty for events older than the field. */
  readonly der: string;
  /** The join token that it was issued for; null for a renewed one. */
  readonly tokenId: string | null;
}

export interface Presence {
  readonly boot_id: string;
  readonly agent_version: string;
  readonly architecture: string;
  readonly hostname: string;
  readonly memory_bytes: number;
  readonly underlay_addresses: readonly string[];
  readonly capabilities: Readonly<Record<string, string>>;
}

export interface InstanceModule {
  readonly assignmentId: string;
  readonly templateId: string;
  readonly moduleName: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly priority: number;
  /** `running` is told here only of what had failed: of the others their runtimes' own contexts tell it. */
  readonly status: 'assigned' | 'installing' | 'failed' | 'running';
  readonly error: string | null;
  /** Of the stay that was reported as too long; absent when none was since the module was assigned. */
  readonly overdueSince?: string;
  /** How often it was told as failed since it was assigned first; absent: never. */
  readonly failures?: number;
  /** What was told last of what keeps it from running; absent where nothing does. */
  readonly trouble?: { readonly from: string; readonly reason: string } | undefined;
}

/** A runtime that nobody wants any more and that is still there. */
export interface StopStuck {
  /** Null: it has gone meanwhile, and what was told is kept so that it is not told without an end. */
  readonly reason: string | null;
  /** All that was told of it since it was last assigned, without its numbers. */
  readonly told: readonly string[];
}

export interface KnownInstance {
  readonly kind: 'known';
  readonly instanceId: string;
  readonly nodeId: string;
  readonly name: string;
  readonly templateId: string;
  readonly driver: string;
  readonly cniPlugin: 'flannel' | 'ovn_kubernetes' | null;
  readonly phase: InstancePhase;
  readonly drain: 'none' | 'draining' | 'drained';
  readonly lost: boolean;
  /** Its end was asked for and waits for the drain. */
  readonly terminating?: boolean;
  /** Its agent has said what it took away after the end; absent until then. */
  readonly wiped?: { readonly left: readonly string[] };
  /** Why its agent has not come to that yet; absent where nothing holds it up. */
  readonly wipeStuck?: string | undefined;
  /** All that it has told of that, without their numbers. */
  readonly wipeStuckTold?: readonly string[];
  /** Runtimes that are to go and cannot be stopped, by module; absent where there are none. */
  readonly stopStuck?: Readonly<Record<string, StopStuck>> | undefined;
  /** By digest. */
  readonly tokens: Readonly<Record<string, JoinToken>>;
  readonly certificate: Certificate | null;
  /** Of the certificate before the last renewal: still good, because the answer of the renewal may have been lost. */
  readonly previousSerial: string | null;
  readonly revoked: boolean;
  readonly presence: Presence | null;
  /** Boot ids of the machines that last shared this identity; empty when none do. */
  readonly clones: readonly string[];
  /** The state that was reported as lasting too long; null once it was left. */
  readonly overdue: InstanceStatus | null;
  /** By assignment id. */
  readonly modules: Readonly<Record<string, InstanceModule>>;
  /** Of the template's stream when its modules were last carried over; 0 after a change of template. */
  readonly templateVersion: number;
}

export type InstanceState = { readonly kind: 'absent' } | KnownInstance;

export const noInstance: InstanceState = { kind: 'absent' };

/** Pids, sizes and times do not make another reason of it. */
export const shapeOf = (reason: string): string => reason.replaceAll(/\d+/g, '#');

export const isFinal = (state: KnownInstance): boolean => state.phase === 'terminated' || state.phase === 'forgotten';

export const linksOf = (state: KnownInstance): EventLinks => ({ instance: state.instanceId, node: state.nodeId });

/** What operators see; the phase, the drain and the liveness are independent facts of which one is the most telling. */
export type InstanceStatus = InstancePhase | 'draining' | 'drained' | 'stopping' | 'lost';

export const statusOf = (state: Pick<KnownInstance, 'phase' | 'drain' | 'lost' | 'terminating'>): InstanceStatus => {
  if (state.phase !== 'running') return state.phase;
  if (state.lost) return 'lost';
  // Its pods are gone; it leaves its cluster, and then it is terminated.
  if (state.terminating === true && state.drain !== 'draining') return 'stopping';
  return state.drain === 'none' ? 'running' : state.drain;
};

import type { Duplex } from 'node:stream';
import type { Position, RecordedEvent } from '#event-store';
import type { agentV1, VipItem } from '#proto';

/** An agent as its certificate shows it. */
export interface AgentIdentity {
  readonly instanceId: string;
  readonly accountId: string;
  readonly certificateSerial: string;
}

/**
 * A context's share of every node's desired state. Folds the log in memory (the same feed, in order) and compiles on
 * demand; compile must be pure over what was folded and byte-stable.
 */
export interface DesiredStateSource {
  readonly name: string;
  /** Folds one event; answers the instances whose sections may look different now. */
  apply(event: RecordedEvent): Iterable<string>;
  /** All sections of this source for one instance: section name → item key → JSON value. Empty when it has none. */
  compile(instanceId: string): ReadonlyMap<string, ReadonlyMap<string, unknown>>;
  /** Begins where another source of its kind has come to; what either folds from then on, the other does not see. For forks. */
  adopt?(other: DesiredStateSource): void;
}

/** What a gateway has folded. */
export interface FoldedSources {
  readonly position: Position;
  readonly sources: readonly DesiredStateSource[];
  /** Names of those that met an event which they could not fold, and stay as of before it. */
  readonly stuck: ReadonlySet<string>;
}

/** Signs certificates for those who may have one. Refuses with RefusedError. */
export interface EnrollmentHandler {
  enroll(request: agentV1.EnrollRequest): Promise<agentV1.EnrollResponse>;
  renew(agent: AgentIdentity, request: agentV1.RenewCertificateRequest): Promise<agentV1.RenewCertificateResponse>;
  /** Checked on every call and on every stream, whatever TLS resumed. */
  authorize(identity: {
    instanceId: string;
    certificateSerial: string;
  }): Promise<
    | { readonly kind: 'ok'; readonly agent: AgentIdentity }
    | { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly wipe: boolean }
  >;
  /** The last word of an agent whose instance is over: it has no other right any more. */
  wiped?(
    peer: { readonly instanceId: string; readonly certificateSerial: string },
    report: { readonly removed: readonly string[]; readonly left: readonly string[] },
  ): Promise<void>;
  /** Its machine is not clean, and why; it goes on trying. */
  wipeStuck?(peer: { readonly instanceId: string; readonly certificateSerial: string }, reason: string): Promise<void>;
  /** Who was online when the platform stopped: asked at the start; those who don't come back are lost after a window. */
  expected?(): Promise<readonly AgentIdentity[]>;
}
export const ENROLLMENT_HANDLER = Symbol('EnrollmentHandler');

/** Answers a runtime's handshake phases. Registered by the context that owns the runtime. */
export interface PhaseHandler {
  readonly runtimes: readonly agentV1.Runtime[];
  handle(agent: AgentIdentity, request: agentV1.ReportPhaseRequest): Promise<agentV1.ReportPhaseResponse>;
}

export interface AgentHello {
  readonly hello: agentV1.Hello;
  readonly agent: AgentIdentity;
}

/**
 * What contexts hear from agents. Calls come in order per agent, each after the one before has ended, but for `onVipAck`,
 * `onVotePromise` and `onLeaseBeat`, which are made at once. A rejected promise is logged and ends that stream.
 */
export interface AgentObserver {
  onConnected?(event: AgentHello): Promise<void> | void;
  /** The stream ended; the lease still runs. */
  onDisconnected?(agent: AgentIdentity): Promise<void> | void;
  /** Edge-triggered liveness, decided by the gateway: a lease passed without a beat, or beats came back. */
  onLost?(agent: AgentIdentity, silentMs: number): Promise<void> | void;
  onReturned?(agent: AgentIdentity): Promise<void> | void;
  /** A VIP candidate was silent for its short lease: reason to ask others, not to write anything down. */
  onSuspected?(agent: AgentIdentity): Promise<void> | void;
  /** A suspected one was heard again on the same stream, and was never lost. */
  onTrusted?(agent: AgentIdentity): Promise<void> | void;
  onPeerKey?(agent: AgentIdentity, message: agentV1.PeerKey): Promise<void> | void;
  onObserved?(agent: AgentIdentity, message: agentV1.Observed): Promise<void> | void;
  onDriftRepaired?(agent: AgentIdentity, message: agentV1.DriftRepaired): Promise<void> | void;
  onVipAck?(agent: AgentIdentity, message: agentV1.VipAck): Promise<void> | void;
  onVotePromise?(agent: AgentIdentity, message: agentV1.VotePromise): Promise<void> | void;
  onLeaseBeat?(agent: AgentIdentity, message: agentV1.LeaseBeat): Promise<void> | void;
  onRuntimeHealth?(agent: AgentIdentity, message: agentV1.RuntimeHealth): Promise<void> | void;
  onApplied?(agent: AgentIdentity, message: agentV1.Applied): Promise<void> | void;
  /** Two machines answer with one identity (a cloned disk); both streams were ended and the identity is quarantined. */
  onCloned?(agent: AgentIdentity, bootIds: readonly string[]): Promise<void> | void;
  /** All agents that a section's generation was sent to have applied it, or the bound of 10 s passed. Not per agent. */
  onSettled?(event: GenerationSettled): Promise<void> | void;
}

export interface GenerationSettled {
  readonly section: string;
  readonly generation: bigint;
  readonly applied: number;
  /** Instances that have not applied it, sorted. */
  readonly behind: readonly string[];
  /** From the fold of the event to the agents' receipts, in milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface AgentLiveness {
  readonly connected: boolean;
  /** Milliseconds since the last beat; Infinity when there was none since the platform started. */
  readonly silentMs: number;
  /** A VIP candidate that was silent for its short lease; nobody else is. */
  readonly suspected?: boolean;
  readonly lost: boolean;
  /** Highest generation applied per section. */
  readonly applied: ReadonlyMap<string, bigint>;
  /** Why it has not converged on a section, in its own words; nothing for those that it has. */
  readonly problems?: ReadonlyMap<string, readonly string[]>;
  /** Generation per section of what it was sent; undefined while it has no stream. */
  readonly sent?: ReadonlyMap<string, bigint> | undefined;
  /** Something that concerns it was folded and not sent yet. */
  readonly changing?: boolean;
}

/** Every agent that is known here is counted once. */
export interface AgentCensus {
  readonly connected: number;
  /** Without a stream; its lease still runs. */
  readonly away: number;
  readonly suspected: number;
  readonly lost: number;
}

/** Follows a change from its event to the agents' receipts, which AgentObserver.onApplied tells. */
export interface PushWatch {
  /** Folded: these instances may have to be told. */
  folded(event: RecordedEvent, instanceIds: Iterable<string>): void;
  /** What of it changes these sections has been handed to the agent's stream. */
  pushed(instanceId: string, sections: readonly string[], generation: bigint): void;
}

/** The platform's side of the agents' streams. */
export interface AgentLink {
  liveness(instanceId: string): AgentLiveness;
  /** Puts a VIP item on the priority lane; false when the agent has no stream (its next snapshot carries the item). */
  sendVip(instanceId: string, item: VipItem): boolean;
  sendPriority(instanceId: string, message: agentV1.SyncResponse): boolean;
  /** Makes an agent beat at the VIP candidates' rate and be judged by their lease. */
  setVipCandidate(instanceId: string, isCandidate: boolean): void;
  /** A byte stream to a port of the node's loopback. Rejects when the agent is away or refuses. */
  openTunnel(instanceId: string, port: number): Promise<Duplex>;
  /** Ends the agent's stream, e.g. after revocation. */
  disconnect(instanceId: string, bye: agentV1.Bye): void;
}
export const AGENT_LINK = Symbol('AgentLink');

/** Where contexts register what they contribute to the gateway, before it starts to listen. */
export interface GatewayRegistrar {
  addSource(source: DesiredStateSource): void;
  addPhaseHandler(handler: PhaseHandler): void;
  addObserver(observer: AgentObserver): void;
}
export const GATEWAY_REGISTRAR = Symbol('GatewayRegistrar');

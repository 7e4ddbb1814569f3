import type { Position, RecordedEvent } from '#event-store';
import type { ToolAnswer } from '#tools';

/** section → item key → value: what a node is told to be. */
export type DesiredSections = ReadonlyMap<string, ReadonlyMap<string, unknown>>;

export interface ForkRequest {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly accountId: string;
  readonly operatorId: string;
  readonly permissions: ReadonlySet<string>;
  /** Virtual time to follow, in milliseconds. */
  readonly horizonMs: number;
  /** Aborted when whoever asked has hung up: nobody is there to read the prediction. */
  readonly signal: AbortSignal;
}

export interface ForkedNode {
  readonly instanceId: string;
  readonly accountId: string;
  readonly before: DesiredSections;
  readonly after: DesiredSections;
}

export interface ForkOutcome {
  /** Where the log was forked. */
  readonly forkedAt: Position;
  /** `pending` when the call had not been answered at the end of the horizon. */
  readonly answer: ToolAnswer | { readonly kind: 'pending' };
  readonly answeredAfterMs: number;
  /** Every event of the fork, inboxes of process managers included, in order. */
  readonly events: readonly RecordedEvent[];
  /** Virtual wall time at which the call began. */
  readonly startedMs: number;
  /** Names that the account's instances bear. */
  readonly names: ReadonlyMap<string, string>;
  readonly nodes: readonly ForkedNode[];
  /** What was assumed or cannot be known. */
  readonly notes: readonly string[];
  /** Set when the fork was stopped before its horizon, with the reason. */
  readonly stoppedEarly?: string;
}

/** Runs a tool where nothing is kept. */
export interface Forks {
  try(request: ForkRequest): Promise<ForkOutcome>;
}
export const FORKS = Symbol('Forks');

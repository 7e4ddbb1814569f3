import type { Clock, Ids, Log, Random, Refusal } from '#kernel';
import type { CommandDispatcher, ReadYourWrites } from '#processing';
import type { Principal, TokenEnds } from '#access';
import type { CursorCodec } from './cursor.js';
import type { Consent, ConsentAsk } from './guard.js';
import type { IdempotencyLedger } from './idempotency.js';
import type { PlanCodec } from './plan.js';
import type { CallWatch } from './tool-run.js';

export interface ToolRequest {
  readonly name: string;
  readonly arguments: unknown;
  readonly principal: Principal;
  readonly watch?: CallWatch;
  /** Absent where no human can be asked (REST). */
  readonly consent?: Consent;
  /** A human has approved this very call: it is made under the approval's id, and asks for nothing more. */
  readonly approvalId?: string;
  /** Chance of an approved call: the same again when it is made again after a crash. */
  readonly chance?: Pick<Random, 'bytes'>;
}

/** `failed` is a bug or an outage, never the caller's fault; what happened is in the log under the correlation id. */
export type ToolAnswer =
  | { readonly kind: 'ok'; readonly data: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** Only to surfaces that can ask: nothing was done yet. */
  | { readonly kind: 'consent'; readonly ask: ConsentAsk }
  | { readonly kind: 'failed'; readonly correlationId: string };

export interface ToolRegistryPorts {
  readonly dispatcher: CommandDispatcher;
  readonly readYourWrites: ReadYourWrites;
  readonly ledger: IdempotencyLedger;
  readonly cursors: CursorCodec;
  readonly clock: Pick<Clock, 'wallMs' | 'monotonicMs'>;
  readonly ids: Ids;
  readonly log: Log;
  /** A handler whose answer breaks its own schema: `throw` in tests, `log` where an operator waits for the answer. */
  readonly onBadOutput: 'throw' | 'log';
  /** Absent in a fork: nothing is planned inside a plan. */
  readonly plans?: PlanCodec;
  /** Ends the waiting of calls whose token ends. Absent in a fork. */
  readonly tokenEnds?: Pick<TokenEnds, 'watch'>;
  /** The correlation id is empty where a call was refused before it had one. */
  readonly observe?: (tool: string, outcome: ToolAnswer['kind'], durationMs: number, correlationId: string) => void;
}

import type { RecordedEvent } from '#event-store';

export type ProcessInput =
  | { readonly kind: 'event'; readonly event: RecordedEvent }
  /** A timer of this instance that became due. */
  | {
      readonly kind: 'timer';
      readonly name: string;
      readonly dueMs: number;
      readonly data: Readonly<Record<string, unknown>>;
    }
  /**
   * The answer to a command that this instance sent, done or refused: every command gets exactly one. A handler that
   * throws gives none; the command is sent again, with the same id, until it is answered, and those after it wait.
   */
  | {
      readonly kind: 'command_result';
      readonly command: string;
      readonly outcome: 'done' | 'refused';
      readonly code?: string;
      readonly message?: string;
      readonly payload: Readonly<Record<string, unknown>>;
    };

export type ProcessOutput =
  /** `type` is the `static type` of a Command class. Sent at least once with a deterministic command id. */
  | { readonly kind: 'command'; readonly type: string; readonly payload: Readonly<Record<string, unknown>> }
  /** One timer a name and instance: setting it again replaces it. */
  | {
      readonly kind: 'timer';
      readonly name: string;
      readonly dueMs: number;
      readonly data?: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'cancel_timer'; readonly name: string }
  /** Why something was decided, or not; shown by agent_introspect. */
  | { readonly kind: 'note'; readonly text: string };

/**
 * A process manager: pure, durable. Each instance has one stream `pm_<name>-<id>` that is its inbox and outbox: one append
 * an input, holding the input and the outputs. State is rebuilt by folding the inputs with `react`.
 */
export interface ProcessManager<S = unknown> {
  /** snake_case; the stream category is `pm_<name>`. */
  readonly name: string;
  /** What agent_introspect calls it, e.g. `sdwan_manager_agent`. */
  readonly agentId: string;
  /** The instance that this event is for; undefined when it is of no interest. */
  correlate(event: RecordedEvent): string | undefined;
  readonly initial: S;
  /**
   * Called again for old inputs whenever an instance is loaded, for the state only: what was decided then stands, also
   * when a newer build would decide otherwise.
   */
  react(state: S, input: ProcessInput): { readonly state: S; readonly outputs: readonly ProcessOutput[] };
}

export const defineProcessManager = <S>(manager: ProcessManager<S>): ProcessManager<S> => manager;

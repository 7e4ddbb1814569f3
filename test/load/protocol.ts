/** What the push bench and its process of agents tell each other over the IPC channel. */
export type ToAgents =
  | {
      readonly kind: 'start';
      /** One agent for each. */
      readonly joinTokens: readonly string[];
      /** HOST:PORT of the two listeners. */
      readonly agentAddress: string;
      readonly enrollAddress: string;
      readonly caPem: string;
    }
  | { readonly kind: 'connect' }
  /** From here on counts anew who is converged, for a restart of the platform. */
  | { readonly kind: 'reset' }
  /** Answer `received` when this many agents have the item of this round. */
  | { readonly kind: 'expect'; readonly round: number; readonly count: number }
  /** Answer `standing`: for a push that does not come to its end. */
  | { readonly kind: 'stand'; readonly round: number };

export interface ReceiptOf {
  readonly instanceId: string;
  /** Wall clock, milliseconds with fraction: when the agent had applied it and sent its receipt. */
  readonly atMs: number;
}

export type FromAgents =
  | { readonly kind: 'enrolled'; readonly instances: readonly string[] }
  /** How many agents have a live stream and hold everything the platform wants of them; how many sections that took. */
  | { readonly kind: 'converged'; readonly count: number; readonly sections: number }
  /** Receipts of this round are counted from now on. Two channels lead to the agents, and the push must not overtake `expect`. */
  | { readonly kind: 'expecting'; readonly round: number }
  /** Whose receipt of the round was counted, and who holds its item, counted or not. */
  | { readonly kind: 'standing'; readonly counted: readonly string[]; readonly holding: readonly string[] }
  /** `problems`: agents that saw a delta on a wrong base or a wrong hash. */
  | {
      readonly kind: 'received';
      readonly round: number;
      readonly receipts: readonly ReceiptOf[];
      readonly problems: number;
    };

/** The wall clock with a fraction, comparable between the processes of one machine and with `recordedAt`. */
export const wallMs = (): number => performance.timeOrigin + performance.now();

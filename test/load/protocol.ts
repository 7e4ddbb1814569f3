/** What the processes of the push bench tell each other over their IPC channels. */
export interface PlatformSettings {
  readonly dataDir: string;
  readonly connectionString: string;
  /** 0 takes a free port; a restart takes the ones it had. */
  readonly agentPort: number;
  readonly enrollPort: number;
}

export type ToPlatform =
  | { readonly kind: 'start'; readonly settings: PlatformSettings }
  /** Gives every instance a desired state of this many items. */
  | { readonly kind: 'prepare'; readonly instances: readonly string[]; readonly items: number }
  /** One change for everybody; the item says when the append began. */
  | { readonly kind: 'change'; readonly round: number }
  | { readonly kind: 'measure' };

export type FromPlatform =
  | { readonly kind: 'ready'; readonly agentPort: number; readonly enrollPort: number; readonly caPem: string }
  | { readonly kind: 'prepared' }
  | { readonly kind: 'changed' }
  | { readonly kind: 'measured'; readonly rssMib: number; readonly cpuMicros: number };

export type ToAgents =
  | {
      readonly kind: 'start';
      readonly count: number;
      readonly host: string;
      readonly agentPort: number;
      readonly enrollPort: number;
      readonly caPem: string;
    }
  | { readonly kind: 'connect' }
  /** Counts who is converged anew, for a restart of the platform. */
  | { readonly kind: 'reset' };

export type FromAgents =
  | { readonly kind: 'enrolled'; readonly instances: readonly string[] }
  /** How many agents have a live stream and hold everything the platform wants of them. */
  | { readonly kind: 'converged'; readonly count: number }
  | {
      readonly kind: 'received';
      readonly round: number;
      readonly latenciesMs: readonly number[];
      readonly problems: number;
    };

/** Milliseconds on the machine's monotonic clock, which is the same in every process. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;

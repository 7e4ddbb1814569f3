export interface ServiceSpec {
  /** `k3s` or `k3s-agent`: the unit's name without `.service`. */
  readonly name: string;
  readonly description: string;
  readonly command: string;
  readonly args: readonly string[];
  /** May hold secrets: systemd reads them from the drop-in, a supervised process gets them as its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** When systemd takes it for started: when it says so itself (k3s), or as soon as it runs. */
  readonly ready?: 'notify' | 'running';
}

export interface ServiceStatus {
  readonly running: boolean;
  /** Nothing of it runs, nor will by itself: neither is it about to end nor about to be tried again. */
  readonly ended: boolean;
  /** Why it is not, as far as known. */
  readonly detail: string;
}

/** What becomes of the services when the agent ends. */
export type Fate = 'keep' | 'stop';

/** Long-running programs on the node, kept alive by systemd where it is and by the agent elsewhere. */
export interface ServiceManager {
  readonly kind: 'systemd' | 'process';
  /** Starts the service unless it runs already (an earlier life of the agent may have started it). */
  ensure(spec: ServiceSpec): Promise<void>;
  restart(spec: ServiceSpec): Promise<void>;
  stop(name: string): Promise<void>;
  /** Stops it and takes away what the agent wrote for it, secrets too. Answers the files of others that are still there. */
  remove(name: string): Promise<readonly string[]>;
  status(name: string): Promise<ServiceStatus>;
  /** The end of what the program said, in this life of it and in those before. */
  said?(name: string): Promise<string>;
  /** The agent ends: services go on, supervision stops. */
  release(): void;
}

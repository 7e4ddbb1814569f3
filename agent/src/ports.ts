import type { Clock, Log, Random, Timers } from '#kernel';
import type { agentV1 } from '#proto';

/** Files as the agent needs them. A write is atomic (temporary file, fsync, rename, fsync of the folder). */
export interface Files {
  /** Undefined when there is no such file. */
  read(path: string): Promise<Buffer | undefined>;
  write(path: string, data: string | Uint8Array, mode?: number): Promise<void>;
  remove(path: string): Promise<void>;
  removeTree(path: string): Promise<void>;
  /** Where a path leads once every link in it is followed; undefined when there is nothing. */
  resolved(path: string): Promise<string | undefined>;
  /**
   * Removes a folder, and nothing of what is mounted in it, whenever that was; nor what `around` names. `last` goes last.
   * Answers what is left, and why.
   */
  removeWithin(
    path: string,
    options?: { readonly last?: string | undefined; readonly around?: readonly string[] },
  ): Promise<readonly string[]>;
  /** A file or a folder, within one file system. */
  move(from: string, to: string): Promise<void>;
  /** Copies an executable into place atomically, mode 0755. */
  installExecutable(from: string, to: string): Promise<void>;
  /** Hex sha256 of a file's content; undefined when there is no such file. */
  digest(path: string): Promise<string | undefined>;
  /** Makes `path` a symbolic link to `target`, atomically, whatever it was before. */
  link(target: string, path: string): Promise<void>;
  /** Where a symbolic link leads; undefined when there is none. */
  linkTarget(path: string): Promise<string | undefined>;
  /** Names in a folder, sorted; none when there is no such folder. */
  list(path: string): Promise<readonly string[]>;
  /** Of the file system that a path is on, or the nearest folder above it; undefined where that cannot be said. */
  space(path: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number } | undefined>;
  /** Takes a folder away if nothing is in it. */
  removeIfEmpty(path: string): Promise<void>;
}

export interface RunResult {
  /** Null when the command could not be started or was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Standard output and error are appended here. */
  readonly logFile?: string;
}

export interface Spawned {
  readonly pid: number;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

/** A child that is spoken to line by line; it ends with the agent, because its input does. */
export interface Piped {
  write(text: string): void;
  kill(): void;
}

export interface PipedHandlers {
  onStderr(text: string): void;
  /** Called once, also when it could not be started. */
  onEnd(reason: string): void;
}

/** Starting and watching processes. Nothing here goes through a shell. */
export interface Processes {
  /** Ended after 30 s; or killed after `limitMs`, whatever state it is in, where it must do nothing more after that. */
  run(command: string, args: readonly string[], input?: string, limitMs?: number): Promise<RunResult>;
  /** A process that outlives the agent: its own session, no pipes to the agent. Rejects when it cannot be started. */
  spawnDetached(command: string, args: readonly string[], options?: SpawnOptions): Promise<Spawned>;
  /** Standard output is not read. */
  openPipe(command: string, args: readonly string[], handlers: PipedHandlers): Piped;
  /** The process start time (a pid alone may have been reused); undefined when there is no such process. */
  startTime(pid: number): Promise<string | undefined>;
  /** True when the process existed. */
  kill(pid: number, signal: 'SIGTERM' | 'SIGKILL'): boolean;
}

/** One datagram socket on an overlay address. */
export interface DatagramSocket {
  send(address: string, port: number, bytes: Uint8Array): void;
  close(): void;
}

export interface Datagrams {
  /** Whether a machine answers at the address within the time: with a datagram, or by saying that nobody listens. */
  reaches(address: string, port: number, forMs: number): Promise<boolean>;
  bind(
    address: string,
    port: number,
    onMessage: (bytes: Uint8Array, fromAddress: string, fromPort: number) => void,
  ): Promise<DatagramSocket>;
}

/** Host names of endpoints. */
export interface Names {
  /** Rejects when there is no such name, or nobody to ask. */
  lookup(host: string): Promise<readonly string[]>;
}

/** What the node tells about itself. */
export interface HostFacts {
  readonly hostname: string;
  readonly architecture: string;
  readonly bootId: string;
  readonly machineId: string;
  readonly memoryBytes: number;
  load1m(): number;
  memoryFreeBytes(): number;
  uptimeMs(): number;
  /** Addresses other nodes might reach this one on, without those of the named interfaces. */
  underlayAddresses(except: ReadonlySet<string>): string[];
}

export interface SyncStream {
  send(message: agentV1.SyncRequest): void;
  close(): void;
}

export interface SyncHandlers {
  onMessage(message: agentV1.SyncResponse): void;
  /** Called once, whatever ended the stream. */
  onEnd(reason: string): void;
}

export interface TunnelStream {
  /** False when the peer reads too slowly: wait for `onDrain`. */
  write(data: Uint8Array): boolean;
  end(): void;
  cancel(): void;
  pause(): void;
  resume(): void;
}

export interface TunnelHandlers {
  onData(data: Uint8Array): void;
  onDrain(): void;
  onEnd(error: string | undefined): void;
}

/** A connection to the platform with the agent's certificate. */
export interface AgentConnection {
  sync(handlers: SyncHandlers): SyncStream;
  reportPhase(request: agentV1.ReportPhaseRequest): Promise<agentV1.ReportPhaseResponse>;
  renew(request: agentV1.RenewCertificateRequest): Promise<agentV1.RenewCertificateResponse>;
  tunnel(tunnelId: string, handlers: TunnelHandlers): TunnelStream;
  close(): void;
}

export interface ClientIdentity {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly caPem: string;
}

/** An error of a remote call; `permanent` ones are not worth repeating as they are. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  constructor(
    readonly code: string,
    message: string,
    readonly permanent: boolean,
  ) {
    super(message);
  }
}

export interface Transport {
  /** Checks that the server's chain holds the CA with this DER sha256 before the token is sent anywhere. */
  enroll(address: string, caPin: string, request: agentV1.EnrollRequest): Promise<agentV1.EnrollResponse>;
  connect(address: string, identity: ClientIdentity): AgentConnection;
}

/** A plain TCP connection to the node's own loopback, for tunnels. */
export interface Loopback {
  connect(
    port: number,
    handlers: { onData(data: Uint8Array): void; onDrain(): void; onClose(error: string | undefined): void },
    onOpen: () => void,
  ): { write(data: Uint8Array): boolean; end(): void; destroy(): void; pause(): void; resume(): void };
}

/** Local HTTP probes: the API server's readyz, kubelet's healthz. */
export interface HttpProbe {
  get(
    url: string,
    tls?: { readonly ca: string; readonly cert?: string; readonly key?: string },
  ): Promise<{ readonly status: number; readonly body: string }>;
  /** GET over a Unix socket. */
  getLocal(socketPath: string, path: string): Promise<{ readonly status: number; readonly body: string }>;
  /** Streams an https URL to a file and answers the sha256 of what was written. */
  download(url: string, path: string): Promise<string>;
}

export interface AgentPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly files: Files;
  readonly processes: Processes;
  readonly datagrams: Datagrams;
  readonly names: Names;
  readonly host: HostFacts;
  readonly transport: Transport;
  readonly loopback: Loopback;
  readonly http: HttpProbe;
}

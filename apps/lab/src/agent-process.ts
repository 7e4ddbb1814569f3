import { closeSync, openSync, writeFileSync } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import type { Host } from './namespace.js';
import { childrenOf, signal, sleep, start, until } from './processes.js';

export interface AgentOptions {
  readonly agentMain: readonly string[];
  readonly k3sBin: string;
  readonly plainRoutes: boolean;
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
}
export interface JoinOffer {
  readonly token: string;
  readonly enrollAddress: string;
  readonly caPin: string;
}

/** The real agent on a host, restarted when it dies, as systemd would. */
export class AgentProcess {
  private child: ChildProcess | undefined;
  private wanted = false;
  private over = false;

  constructor(
    private readonly host: Host,
    private readonly options: AgentOptions,
    readonly instanceId: string,
    private readonly join: JoinOffer,
  ) {}

  get logFile(): string {
    return `${this.options.dir}/logs/${this.host.name}.log`;
  }

  async start(): Promise<void> {
    this.wanted = true;
    const tokenFile = `${this.options.dir}/tokens/${this.host.name}`;
    writeFileSync(tokenFile, this.join.token, { mode: 0o600 });
    const log = openSync(this.logFile, 'a', 0o600);
    const argv = [
      ...this.options.agentMain,
      'run',
      '--enroll',
      this.join.enrollAddress,
      '--ca-pin',
      this.join.caPin,
      '--token-file',
      tokenFile,
      '--services',
      'process',
      '--k3s-bin',
      this.options.k3sBin,
      ...(this.options.plainRoutes ? ['--wireguard', 'route'] : []),
    ];
    const child = start(this.host.wrap(argv), ['ignore', log, log], this.options.env);
    closeSync(log);
    this.child = child;
    child.unref();
    child.once('exit', (code) => void this.onExit(child, code));
    await until(`agent on ${this.host.name} started`, () => this.pid !== undefined || child.exitCode !== null);
  }

  /** The agent's own process, as the lab sees it. */
  get pid(): number | undefined {
    return this.child?.pid === undefined ? undefined : childrenOf(this.child.pid)[0];
  }

  /** SIGKILL; with `restart` it comes back as a service manager would bring it back. */
  async kill9(restart = false): Promise<void> {
    this.wanted = restart;
    const { pid, child } = this;
    if (pid !== undefined) signal(pid, 'SIGKILL');
    this.wakeWrapper();
    if (child !== undefined)
      await until(`agent on ${this.host.name} ended`, () => child.exitCode !== null || child.signalCode !== null);
  }
  pause(): void {
    if (this.pid !== undefined) signal(this.pid, 'SIGSTOP');
  }
  resume(): void {
    if (this.pid !== undefined) signal(this.pid, 'SIGCONT');
    this.wakeWrapper();
  }
  /** nsenter stops itself with its stopped child, and would then never see how that ends. */
  private wakeWrapper(): void {
    if (this.child?.pid !== undefined) signal(this.child.pid, 'SIGCONT');
  }
  /** Waits for an agent that ends by itself, as one does whose instance is over; for no longer than that. */
  async leaves(graceMs: number): Promise<void> {
    for (const end = performance.now() + graceMs; !this.over && performance.now() < end;) await sleep(100);
  }
  forget(): void {
    this.wanted = false;
  }

  /** 0: stopped or wiped; 2: refused; 4: superseded. None of these gets better by starting again. */
  private async onExit(child: ChildProcess, code: number | null): Promise<void> {
    if (child !== this.child) return;
    await sleep(500);
    this.over = [0, 2, 4].includes(code ?? -1);
    if (this.wanted && this.host.up && !this.over) await this.start();
  }
}

import { join } from 'node:path';
import { backoffMs, type Cancel, type Clock, errorMessage, type Log, type Random, Serial, type Timers } from '#kernel';
import type { Files, Processes } from '../ports.js';
import { forgetPid, livePid, rememberPid, stopPid } from './pid-file.js';
import type { ServiceManager, ServiceSpec, ServiceStatus } from './service-manager.js';

const WATCH_MS = 1_000;
const SAID_BYTES = 64 * 1024;
/** A service that ran this long has started well; its next failure is retried quickly again. */
const HEALTHY_MS = 60_000;

interface Supervised {
  spec: ServiceSpec;
  attempt: number;
  startedAt: number;
  detail: string;
  cancel: Cancel | undefined;
}

interface Ports {
  readonly files: Files;
  readonly processes: Processes;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Supervised child processes for nodes without systemd. They outlive the agent and are found again by pid file. */
export class ProcessManager implements ServiceManager {
  readonly kind = 'process';
  private readonly services = new Map<string, Supervised>();
  private readonly queue = new Serial();
  private released = false;

  constructor(
    private readonly ports: Ports,
    private readonly folder: string,
  ) {}

  ensure(spec: ServiceSpec): Promise<void> {
    return this.queue.run(async () => {
      const known = this.services.get(spec.name);
      if (known !== undefined) known.spec = spec;
      else this.services.set(spec.name, { spec, attempt: 0, startedAt: this.now(), detail: '', cancel: undefined });
      if ((await livePid(this.ports, this.pidPath(spec.name))) === undefined) await this.launch(spec.name);
      this.watch(spec.name);
    });
  }

  async restart(spec: ServiceSpec): Promise<void> {
    await this.stop(spec.name);
    await this.ensure(spec);
  }

  stop(name: string): Promise<void> {
    return this.queue.run(async () => {
      this.services.get(name)?.cancel?.();
      this.services.delete(name);
      await stopPid(this.ports, this.pidPath(name), 30_000);
      await forgetPid(this.ports, this.pidPath(name));
    });
  }

  /** What it was given as its environment is nowhere written. */
  async remove(name: string): Promise<readonly string[]> {
    await this.stop(name);
    return [];
  }

  async status(name: string): Promise<ServiceStatus> {
    const pid = await livePid(this.ports, this.pidPath(name));
    return pid === undefined
      ? { running: false, ended: true, detail: this.services.get(name)?.detail ?? 'not started' }
      : { running: true, ended: false, detail: `pid ${pid}` };
  }

  async said(name: string): Promise<string> {
    return (await this.ports.processes.run('tail', ['-c', String(SAID_BYTES), this.logPath(name)])).stdout;
  }

  release(): void {
    this.released = true;
    for (const service of this.services.values()) service.cancel?.();
  }

  private async launch(name: string): Promise<void> {
    const service = this.services.get(name);
    if (service === undefined) return;
    const { spec } = service;
    const logFile = this.logPath(name);
    const child = await this.ports.processes.spawnDetached(spec.command, spec.args, { env: spec.env, logFile });
    await rememberPid(this.ports, this.pidPath(name), child.pid);
    service.startedAt = this.now();
    this.ports.log.info({ service: name, pid: child.pid, log: logFile }, 'service started');
    void child.exited.then((exit) => {
      service.detail = `ended with ${exit.signal ?? `exit code ${exit.code}`}; see ${logFile}`;
    });
  }

  /** Polls by pid: works for a child and for one that an earlier life of the agent started. */
  private watch(name: string): void {
    const service = this.services.get(name);
    if (service === undefined || this.released) return;
    service.cancel?.();
    service.cancel = this.ports.timers.after(WATCH_MS, () => {
      void this.queue
        .run(() => this.revive(name, service))
        .catch((error: unknown) => {
          service.detail = errorMessage(error);
          this.ports.log.error({ service: name, error: service.detail }, 'service cannot be started');
          this.watch(name);
        });
    });
  }

  private async revive(name: string, service: Supervised): Promise<void> {
    if (this.released || this.services.get(name) !== service) return;
    if ((await livePid(this.ports, this.pidPath(name))) !== undefined) return this.watch(name);
    const attempt = this.now() - service.startedAt > HEALTHY_MS ? 0 : service.attempt;
    service.attempt = attempt + 1;
    const wait = backoffMs(attempt, () => this.ports.random.unit(), 500, 30_000);
    this.ports.log.warn({ service: name, detail: service.detail, restart_in_ms: wait }, 'service is down');
    service.cancel = this.ports.timers.after(wait, () => {
      void this.queue
        .run(async () => {
          if (this.released || this.services.get(name) !== service) return;
          await this.launch(name);
        })
        .catch((error: unknown) => {
          service.detail = errorMessage(error);
        })
        .then(() => this.watch(name));
    });
  }

  private now(): number {
    return this.ports.clock.monotonicMs();
  }

  private pidPath(name: string): string {
    return join(this.folder, `${name}.pid`);
  }

  private logPath(name: string): string {
    return join(this.folder, `${name}.log`);
  }
}

import { join } from 'node:path';
import { sleep, type Log, type Timers } from '#kernel';
import type { Files, Processes } from '../ports.js';
import { forgetPid, livePid, rememberPid, stopPid } from '../services/pid-file.js';

const START_MS = 10_000;
const POLL_MS = 20;

/** One wireguard-go process per interface: started in the foreground form, outliving the agent, found again by pid file. */
export class WireGuardGo {
  private readonly listeners: ((name: string) => void)[] = [];
  private readonly stopping = new Set<string>();

  constructor(
    private readonly ports: { files: Files; processes: Processes; timers: Timers; log: Log },
    private readonly stateDir: string,
  ) {}

  onExit(listener: (name: string) => void): void {
    this.listeners.push(listener);
  }

  async ensure(name: string, answers: () => Promise<boolean>): Promise<void> {
    if (await answers()) return;
    // A process that is alive but silent is of no use, and would keep the interface name busy.
    await stopPid(this.ports, this.pidPath(name));
    const child = await this.ports.processes.spawnDetached('wireguard-go', ['-f', name], {
      env: { LOG_LEVEL: 'error' },
      logFile: join(this.stateDir, 'wireguard', `${name}.log`),
    });
    await rememberPid(this.ports, this.pidPath(name), child.pid);
    let gone: string | undefined;
    let stood = false;
    void child.exited.then((exit) => {
      gone = `wireguard-go ended with ${exit.signal ?? exit.code}`;
      this.ports.log.warn({ interface: name, exit: exit.signal ?? exit.code }, 'wireguard-go ended');
      // One that never stood is the caller's to try again, in its own time.
      if (stood && !this.stopping.has(name)) for (const listener of this.listeners) listener(name);
    });
    for (let waited = 0; waited < START_MS; waited += POLL_MS) {
      stood = await answers();
      if (stood) return;
      if (gone !== undefined) throw new Error(`${gone} at its start; see ${name}.log in the state folder`);
      await sleep(this.ports.timers, POLL_MS);
    }
    throw new Error(`wireguard-go for ${name} did not answer within ${START_MS} ms`);
  }

  async stop(name: string): Promise<void> {
    this.stopping.add(name);
    await stopPid(this.ports, this.pidPath(name));
    await forgetPid(this.ports, this.pidPath(name));
    this.stopping.delete(name);
  }

  /** The pid of the interface's process, if it lives. */
  async pid(name: string): Promise<number | undefined> {
    return livePid(this.ports, this.pidPath(name));
  }

  private pidPath(name: string): string {
    return join(this.stateDir, 'wireguard', `${name}.pid`);
  }
}

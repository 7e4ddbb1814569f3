import { spawn, type ChildProcess } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';

/** Twice as many busy processes as there are processors, at ordinary priority, until ended. */
export class Load {
  private readonly children: ChildProcess[];

  constructor(times = 2) {
    const busy = ['-c', 'while :; do :; done'];
    this.children = Array.from({ length: availableParallelism() * times }, () =>
      spawn('setpriv', ['--pdeathsig', 'KILL', 'sh', ...busy], { stdio: 'ignore' }),
    );
  }

  end(): void {
    for (const child of this.children) child.kill('SIGKILL');
  }
}

export const loadAverage = (): number => Math.round(loadavg()[0]! * 100) / 100;

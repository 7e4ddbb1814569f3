import type { PlatformProcess } from '../../../apps/lab/src/platform-process.js';
import { sleep } from '../../../apps/lab/src/processes.js';

export interface Moments {
  /** Milliseconds of life before each kill. */
  life(): number;
  /** Milliseconds that it stays away. */
  away(): number;
  /** Milliseconds into a start at which it is killed again; undefined for a start that may succeed. */
  stillborn(): number | undefined;
  /** False while the story must first get on: kills are to be spread over all of it. */
  mayKill(): boolean;
}

/** SIGKILLs the platform and starts it again, over and over, until stopped; it runs then. */
export class Killer {
  kills = 0;
  private running = true;
  private readonly ended: Promise<void>;

  constructor(
    private readonly platform: PlatformProcess,
    private readonly moments: Moments,
    private readonly most: number,
    private readonly onKill: (kill: number) => void = () => undefined,
  ) {
    this.ended = this.run();
    this.ended.catch((cause: unknown) => process.stderr.write(`the killer: ${String(cause)}\n`));
  }

  async stop(): Promise<void> {
    this.running = false;
    await this.ended;
  }

  private async run(): Promise<void> {
    while (this.running && this.kills < this.most) {
      await this.pause(this.moments.life());
      while (this.running && !this.moments.mayKill()) await sleep(20);
      if (!this.running) return;
      await this.kill();
      await sleep(this.moments.away());
      for (let ms = this.moments.stillborn(); ms !== undefined; ms = this.moments.stillborn())
        await this.startAndKill(ms);
      await this.platform.start();
    }
  }

  private async kill(): Promise<void> {
    this.onKill(++this.kills);
    await this.platform.stop('SIGKILL');
  }

  private async startAndKill(afterMs: number): Promise<void> {
    const started = this.platform.start().then(
      () => 'ready',
      (cause: unknown) => `ended: ${String(cause)}`,
    );
    await sleep(afterMs);
    await this.kill();
    await started;
  }

  /** A life of at least so long; not past the end. */
  private async pause(ms: number): Promise<void> {
    for (const until = performance.now() + ms; this.running && performance.now() < until;) await sleep(20);
  }
}

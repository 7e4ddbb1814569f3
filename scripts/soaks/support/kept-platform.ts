import type { PlatformProcess } from '../../../apps/lab/src/platform-process.js';
import { sleep } from '../../../apps/lab/src/processes.js';

const MOST_DEATHS = 100;

/** A platform that is started again whenever SIGKILL has ended it, as a service manager would. Any other end is a fault. */
export class KeptPlatform {
  deaths = 0;
  private wanted = false;
  private keeping: Promise<void> = Promise.resolve();
  /** Why it is not kept any more. */
  private fault: Error | undefined;

  constructor(private readonly platform: PlatformProcess) {}

  /** Resolves when it is ready, however many starts that took. */
  async start(): Promise<void> {
    await this.up();
    this.wanted = true;
    this.keeping = this.keep().catch((cause: unknown) => {
      this.fault = cause as Error;
    });
  }

  /** SIGTERM, and again after a start when it was killed while it stopped. */
  async stop(): Promise<void> {
    this.wanted = false;
    await this.keeping;
    if (this.fault !== undefined) throw this.fault;
    for (;;) {
      await this.platform.stop('SIGTERM');
      if (this.platform.endedBy !== 'SIGKILL') break;
      this.deaths++;
      await this.up();
    }
    if (this.platform.endedBy !== 0) throw new Error(`the platform stopped with ${this.platform.endedBy}`);
  }

  async kill(): Promise<void> {
    this.wanted = false;
    await this.keeping;
    await this.platform.stop('SIGKILL');
  }

  private async up(): Promise<void> {
    for (;;) {
      try {
        return await this.platform.start();
      } catch (cause) {
        if (this.platform.endedBy !== 'SIGKILL' || this.deaths >= MOST_DEATHS) throw cause;
        this.deaths++;
      }
    }
  }

  private async keep(): Promise<void> {
    while (this.wanted) {
      await sleep(20);
      const { endedBy } = this.platform;
      if (endedBy === undefined || !this.wanted) continue;
      if (endedBy !== 'SIGKILL') throw new Error(`the platform ended by itself (${endedBy})`);
      this.deaths++;
      await this.up();
    }
  }
}

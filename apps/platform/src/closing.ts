import { errorMessage, type Log } from '#kernel';

/**
 * What was started, to be stopped in the opposite order. Every step runs even when one before it failed, so that a failing
 * part never leaves the embedded Postgres behind.
 */
export class Closing {
  private readonly steps: { readonly name: string; readonly close: () => Promise<void> | void }[] = [];
  private running: Promise<void> | undefined;

  constructor(private readonly log: Log) {}

  add(name: string, close: () => Promise<void> | void): void {
    this.steps.push({ name, close });
  }

  run(): Promise<void> {
    return (this.running ??= this.runAll());
  }

  private async runAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const { name, close } of this.steps.reverse()) {
      try {
        await close();
        this.log.debug({ part: name }, 'stopped');
      } catch (error) {
        this.log.error({ part: name, error: errorMessage(error) }, 'stopping failed');
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

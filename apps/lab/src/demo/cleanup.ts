/** Ends what was started, newest first; every part even if one fails. What starts during it is ended as well. */
export class Cleanup {
  private readonly steps: (() => Promise<void>)[] = [];
  private ended = false;

  /** Rejects once cleaning up has begun: nothing that would need it may start any more. */
  refuseLate(): void {
    if (this.ended) throw new Error('interrupted');
  }

  add(step: () => Promise<void>): void {
    this.steps.unshift(step);
  }

  /** `working` is whatever may still start something: it fails soon when its surroundings go. */
  async run(working: Promise<unknown>): Promise<void> {
    this.ended = true;
    await this.drain();
    await working;
    await this.drain();
  }

  private async drain(): Promise<void> {
    for (let step = this.steps.shift(); step !== undefined; step = this.steps.shift()) {
      try {
        await step();
      } catch (cause) {
        process.stderr.write(`cleaning up: ${cause instanceof Error ? cause.message : String(cause)}\n`);
      }
    }
  }
}

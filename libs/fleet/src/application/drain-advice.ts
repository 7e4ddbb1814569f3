/** What a context warns of when an instance is about to be drained, e.g. `outage_expected`. */
export type DrainAdvisor = (instanceId: string) => Promise<readonly string[]>;

/** Contexts above this one know what a drain will cost; the drain's answer carries their warnings, and goes on. */
export class DrainAdvice {
  private readonly advisors: DrainAdvisor[] = [];

  add(advisor: DrainAdvisor): void {
    this.advisors.push(advisor);
  }

  async ask(instanceId: string): Promise<readonly string[]> {
    return (await Promise.all(this.advisors.map((advisor) => advisor(instanceId)))).flat();
  }
}

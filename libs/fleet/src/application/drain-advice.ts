import type { Refusal } from '#kernel';
import type { CommandContext } from '#processing';

/** What a context warns of when an instance is about to be drained, e.g. `outage_expected`. */
export type DrainAdvisor = (instanceId: string) => Promise<readonly string[]>;

/** A context that has a say when an instance ends for good. */
export interface EndAdvisor {
  /** Something runs there that should move away first. */
  isOccupied(instanceId: string): boolean;
  /** Why it must not end now (nor be given up, where `end` says so); forcing it goes on all the same. */
  objection(instanceId: string, end?: 'leave' | 'forget'): Refusal | undefined;
  /** Called before the machine is told to wipe; bounded, never throws; answers what could not be done. */
  leave(instanceId: string, context: CommandContext): Promise<readonly string[]>;
}

/** Contexts above this one know what a drain or an end will cost; the answer carries their warnings, and goes on. */
export class DrainAdvice {
  private readonly advisors: DrainAdvisor[] = [];
  private readonly endAdvisors: EndAdvisor[] = [];

  add(advisor: DrainAdvisor): void {
    this.advisors.push(advisor);
  }

  addEnd(advisor: EndAdvisor): void {
    this.endAdvisors.push(advisor);
  }

  async ask(instanceId: string): Promise<readonly string[]> {
    return (await Promise.all(this.advisors.map((advisor) => advisor(instanceId)))).flat();
  }

  isOccupied(instanceId: string): boolean {
    return this.endAdvisors.some((advisor) => advisor.isOccupied(instanceId));
  }

  objection(instanceId: string, end: 'leave' | 'forget' = 'leave'): Refusal | undefined {
    const all = this.endAdvisors.map((advisor) => advisor.objection(instanceId, end));
    return all.find((refusal) => refusal !== undefined);
  }

  async leave(instanceId: string, context: CommandContext): Promise<readonly string[]> {
    const warnings: string[] = [];
    for (const advisor of this.endAdvisors) warnings.push(...(await advisor.leave(instanceId, context)));
    return warnings;
  }
}

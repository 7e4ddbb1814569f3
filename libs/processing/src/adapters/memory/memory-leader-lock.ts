import type { Leadership, LeaderLock } from '../../host/leader.js';

export class MemoryLeaderLock implements LeaderLock {
  private epoch = 0;
  private held: AbortController | undefined;

  async tryLead(): Promise<Leadership | undefined> {
    if (this.held !== undefined) return undefined;
    const mine = new AbortController();
    this.held = mine;
    this.epoch++;
    const release = async () => {
      if (this.held === mine) this.held = undefined;
    };
    return { epoch: this.epoch, lost: mine.signal, release };
  }

  async elsewhere(myEpoch: number | undefined): Promise<boolean> {
    return this.held !== undefined && this.epoch !== myEpoch;
  }

  /** For tests: the lock is lost, and its holder is told or not. */
  lose(told: boolean): void {
    const held = this.held;
    this.held = undefined;
    if (told) held?.abort();
  }
}

import type { Fault, FaultStore } from '../../feed/lane.js';

export class MemoryFaults implements FaultStore {
  private readonly faults = new Map<string, Fault>();

  async record(fault: Fault): Promise<void> {
    this.faults.set(fault.lane, fault);
  }

  async clear(lane: string): Promise<void> {
    this.faults.delete(lane);
  }

  async list(): Promise<readonly Fault[]> {
    return [...this.faults.values()];
  }
}

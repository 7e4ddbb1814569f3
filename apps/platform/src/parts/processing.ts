import type { EventStore } from '#event-store';
import {
  InMemoryReadModels,
  type CommandClass,
  type ProcessManager,
  type ProcessingRegistrar,
  type Projection,
  type ReadModels,
  type ReadYourWrites,
} from '#processing';
import { START } from '#event-store';

/** In-memory processing: projections only. */
export class MemoryProcessing implements ProcessingRegistrar, ReadYourWrites {
  private readonly projections: Projection[] = [];
  readonly readModels: ReadModels & InMemoryReadModels = new InMemoryReadModels(this.projections);
  private passed = START;
  private readonly stopping = new AbortController();

  constructor(private readonly store: EventStore) {}

  addProjection<D extends object>(projection: Projection<D>): void {
    this.projections.push(projection as unknown as Projection);
  }
  addProcessManager<S>(_manager: ProcessManager<S>): void {}
  addCommand<P extends object, T>(_type: CommandClass<P, T>): void {}

  start(): void {
    void this.run();
  }

  private async run(): Promise<void> {
    for await (const batch of this.store.subscribe(START, { signal: this.stopping.signal })) {
      for (const event of batch.events) this.readModels.apply(event);
      this.passed = batch.through;
    }
  }

  async waitFor(position: bigint): Promise<'current' | 'behind'> {
    for (let i = 0; i < 200 && this.passed < position; i++) await new Promise((r) => setTimeout(r, 10));
    return this.passed >= position ? 'current' : 'behind';
  }

  stop(): void {
    this.stopping.abort();
  }
}

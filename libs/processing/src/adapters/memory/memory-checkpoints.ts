import { START, type Position } from '#event-store';
import type { CheckpointStore } from '../../feed/checkpoints.js';
import { FencedError } from '../../feed/lane.js';

export class MemoryCheckpoints implements CheckpointStore {
  private readonly rows = new Map<string, { position: Position; epoch: number }>();

  async claim(names: readonly string[], epoch: number): Promise<ReadonlyMap<string, Position>> {
    return new Map(
      names.map((name) => {
        const row = this.rows.get(name) ?? { position: START, epoch };
        if (row.epoch > epoch) throw new FencedError(`${name} belongs to epoch ${row.epoch}`);
        this.rows.set(name, { position: row.position, epoch });
        return [name, row.position];
      }),
    );
  }

  async save(name: string, position: Position, epoch: number): Promise<void> {
    const row = this.rows.get(name);
    if (row === undefined || row.epoch !== epoch) throw new FencedError(`${name} belongs to epoch ${row?.epoch}`);
    this.rows.set(name, { position, epoch });
  }
}

import type { RecordedEvent } from '#event-store';

/** More changes than a machine that is away for long is likely to miss; older ones are covered by the newest. */
const KEPT = 32;

/** What a machine is told to carry, counted, against what its agent says that it has taken in. */
export interface Wanted {
  /** 1 is the machine itself; each module that is assigned, changed or removed adds one. */
  readonly generation: number;
  /** Null until the agent was there for the first time. */
  readonly observed: number | null;
  /** Changes that the agent has not acknowledged, oldest first, with their position in the log. */
  readonly pending: readonly { readonly generation: number; readonly position: string }[];
}
export const bareMachine: Wanted = { generation: 1, observed: null, pending: [] };

/**
 * A count of the instance's own changes: receipts name positions in the log, and those would tell an account how much
 * goes on in others.
 */
export const wantedAfter = (wanted: Wanted, event: RecordedEvent): Wanted => {
  switch (event.type) {
    case 'system.module.assigned':
    case 'system.k3s.module.assigned':
    case 'system.docker.module.assigned':
    case 'system.module.removed': {
      const generation = wanted.generation + 1;
      const pending = [...wanted.pending, { generation, position: String(event.position) }].slice(-KEPT);
      return { ...wanted, generation, pending };
    }
    case 'system.instance.online':
      return { ...wanted, observed: wanted.observed ?? bareMachine.generation };
    case 'system.module.generation_applied': {
      const through = BigInt(String(event.data['generation']));
      const isCovered = ({ position }: Wanted['pending'][number]) => BigInt(position) <= through;
      const newest = wanted.pending.findLast(isCovered);
      if (newest === undefined) return wanted;
      return { ...wanted, observed: newest.generation, pending: wanted.pending.filter((p) => !isCovered(p)) };
    }
    default:
      return wanted;
  }
};

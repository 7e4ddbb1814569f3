import type { RecordedEvent } from '#event-store';

interface Leaving {
  readonly draining: Set<string>;
  readonly leaving: Set<string>;
}

/** Keeps the instances that are being drained, and those whose end was asked for and waits for that. */
export const foldLeaving = (to: Leaving, { type, data }: Pick<RecordedEvent, 'type' | 'data'>): void => {
  const id = String(data['instance_id']);
  switch (type) {
    case 'system.instance.drain_requested':
      to.draining.add(id);
      return;
    case 'system.instance.terminate_requested':
      to.leaving.add(id);
      return;
    case 'system.instance.drained':
      to.draining.delete(id);
      return;
    case 'system.instance.uncordoned':
    case 'system.instance.terminated':
    case 'system.instance.forgotten':
      to.draining.delete(id);
      to.leaving.delete(id);
  }
};

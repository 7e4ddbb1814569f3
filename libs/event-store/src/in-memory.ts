import type { Payload } from './append-rules.js';
import type { EventMeta, NewEvent } from './port.js';

/** What a durable store would give back: the JSON form of the payload, and none of the caller's own objects. */
export const asStored = ({ id, type, schemaVersion }: NewEvent, payload: Payload): NewEvent => ({
  id,
  type,
  schemaVersion,
  data: JSON.parse(payload.data) as Record<string, unknown>,
  meta: JSON.parse(payload.meta) as EventMeta,
});

/** Subscriptions that wait for an append. */
export class Waiters {
  private readonly waiting = new Set<() => void>();

  wakeAll(): void {
    for (const wake of [...this.waiting]) wake();
  }

  /** Until somebody wakes all. `isOver` is asked once it waits: what came between a look and this rings for nobody again. */
  changed(signal: AbortSignal, isOver: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
      if (signal.aborted || isOver()) wake();
    });
  }
}

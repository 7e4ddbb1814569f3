/** Whose calls these are: a caller's own session. Undefined where the client has none, so that nobody else's call is meant by chance. */
export type CallerScope = string | undefined;

/**
 * Calls that are being answered by this process, so that one can be cancelled by another HTTP request, as clients of the 2025
 * protocol do. JSON-RPC ids are unique in a session only: many clients of one token count from 1.
 */
export class InFlight {
  private readonly running = new Map<string, Set<AbortController>>();

  /** Aborted when the caller cancels; `end` has to be called when the call is over. */
  begin(scope: CallerScope, id: string | number): { readonly signal: AbortSignal; readonly end: () => void } {
    const controller = new AbortController();
    if (scope === undefined) return { signal: controller.signal, end: () => undefined };
    const key = keyOf(scope, id);
    const calls = this.running.get(key) ?? new Set();
    this.running.set(key, calls.add(controller));
    const end = () => {
      calls.delete(controller);
      if (calls.size === 0) this.running.delete(key);
    };
    return { signal: controller.signal, end };
  }

  cancel(scope: CallerScope, id: string | number): void {
    if (scope === undefined) return;
    for (const controller of this.running.get(keyOf(scope, id)) ?? []) controller.abort();
  }

  get size(): number {
    return this.running.size;
  }
}

/** 1 and "1" are two ids. */
const keyOf = (scope: string, id: string | number): string => JSON.stringify([scope, id]);

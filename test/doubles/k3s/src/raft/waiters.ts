import { NoLeaderError, type Entry, type TxnResult } from './types.js';

const TIMEOUT_MS = 5_000;

interface Waiter {
  readonly term: number;
  resolve(result: TxnResult | undefined): void;
  reject(cause: Error): void;
}

/** Proposals of this server that wait for their entry to be applied. */
export class Waiters {
  private readonly waiting = new Map<number, Waiter>();

  add(index: number, term: number): Promise<TxnResult | undefined> {
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(() => {
        this.waiting.delete(index);
        reject(new NoLeaderError('etcdserver: request timed out'));
      }, TIMEOUT_MS);
      const done = (act: () => void): void => {
        clearTimeout(timeout);
        act();
      };
      this.waiting.set(index, {
        term,
        resolve: (result) => done(() => resolve(result)),
        reject: (cause) => done(() => reject(cause)),
      });
    });
  }

  /** Another term's entry at this index means that the proposal was lost with its leader. */
  settle(entry: Entry, result: TxnResult | undefined): void {
    const waiter = this.waiting.get(entry.index);
    this.waiting.delete(entry.index);
    if (waiter === undefined) return;
    if (waiter.term === entry.term) waiter.resolve(result);
    else waiter.reject(new NoLeaderError('etcdserver: leader changed'));
  }
}

export const flush = (listeners: (() => void)[]): void => listeners.splice(0).forEach((listener) => listener());

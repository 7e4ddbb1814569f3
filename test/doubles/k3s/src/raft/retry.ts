import { NoLeaderError } from './types.js';

/** Nothing was written: nobody was there to take it, or who was there does not lead. */
export const notDelivered = (cause: unknown): boolean =>
  (cause as { code?: string }).code === 'ECONNREFUSED' || (cause instanceof Error && /not leader/.test(cause.message));

/** Repeats an attempt while leadership changes; `again` says whether a failed one may be repeated. */
export const retryWithin = async <T>(
  ms: number,
  again: (cause: unknown) => boolean,
  attempt: () => Promise<T>,
): Promise<T> => {
  const deadline = Date.now() + ms;
  for (;;) {
    try {
      return await attempt();
    } catch (cause) {
      if (!again(cause)) throw cause;
      if (Date.now() > deadline) throw new NoLeaderError('etcdserver: request timed out');
      await new Promise((done) => setTimeout(done, 50));
    }
  }
};

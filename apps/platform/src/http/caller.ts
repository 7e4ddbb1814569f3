import type { ServerResponse } from 'node:http';
import type { CallWatch } from '#tools';

/** The connection ended before the answer was sent: Ctrl-C, a closed tab, a proxy that waits no longer. */
export const watchOf = (response: ServerResponse): CallWatch => {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  if (response.destroyed) gone.abort();
  return { signal: gone.signal };
};

import type { IncomingMessage, ServerResponse } from 'node:http';
import { refusal, RefusedError, type Refusal } from '#kernel';
import type { Encoding } from '../feed/entry.js';
import type { EventStream } from '../event-stream.js';
import type { Wire } from '../subscription/wire.js';
import { bearerToken } from './bearer.js';

/** What an EventSource waits before it connects again, milliseconds. */
const RETRY_MS = 2_000;

export const sseEncoding: Encoding = {
  name: 'sse',
  event: (entry, cursor) => Buffer.from(`id: ${cursor}\ndata: ${entry.json}\n\n`),
  checkpoint: (cursor, live) =>
    Buffer.from(`: keep-alive\nevent: checkpoint\nid: ${cursor}\ndata: ${JSON.stringify({ live })}\n\n`),
};

const LISTS = new Set(['kind_prefix', 'stream', 'subject']);
const TOKEN_NAMES = new Set(['token', 'access_token', 'authorization', 'bearer']);
const ALIASES: Readonly<Record<string, string>> = { prefix: 'kind_prefix', kind: 'kind_prefix', cursor: 'after' };

/** The query of `GET /events` under the names of the filters; a list may be given by repetition. */
export const sseRequest = (url: string, lastEventId: string | undefined): Record<string, unknown> => {
  const given: Record<string, unknown> = {};
  for (const [key, value] of new URL(url, 'http://any').searchParams) {
    if (TOKEN_NAMES.has(key.toLowerCase())) throw tokenInUrl(key);
    const name = ALIASES[key] ?? key;
    if (LISTS.has(name)) given[name] = [...((given[name] as string[] | undefined) ?? []), value];
    else if (Object.hasOwn(given, name)) throw repeated(key);
    else given[name] = name === 'checkpoint_seconds' ? wholeNumber(value) : value;
  }
  // An EventSource comes again with the URL of its first request: what it has seen since then counts.
  return lastEventId === undefined || lastEventId === '' ? given : { ...given, after: lastEventId };
};

const wholeNumber = (text: string): number | string => (/^\d{1,9}$/.test(text) ? Number(text) : text);

const tokenInUrl = (field: string): RefusedError =>
  new RefusedError(
    refusal(400, 'token_in_url', `${field}: a token in the URL ends up in logs`, {
      field,
      hint: 'send "Authorization: Bearer TOKEN"; a browser can with fetch',
    }),
  );
const repeated = (field: string): RefusedError =>
  new RefusedError(refusal(400, 'invalid_parameter', `${field}: is given twice`, { field, hint: 'give it once' }));

/** Serves one request for as long as it lasts. What it refuses it throws before a byte is written. */
export const serveSse = async (
  stream: EventStream,
  request: Pick<IncomingMessage, 'url' | 'headers' | 'method'>,
  response: ServerResponse,
): Promise<void> => {
  const lastEventId = request.headers['last-event-id'];
  const given = sseRequest(request.url ?? '/', Array.isArray(lastEventId) ? lastEventId.at(-1) : lastEventId);
  const admitted = await stream.admit(bearerToken(request.headers.authorization), given);
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store, no-transform',
    'X-Accel-Buffering': 'no',
  });
  if (request.method === 'HEAD' || response.destroyed) {
    admitted.abandon();
    response.end();
    return;
  }
  response.write(`retry: ${RETRY_MS}\n\n`);
  await admitted.serve(new SseWire(response));
};

class SseWire implements Wire {
  readonly encoding = sseEncoding;
  private readonly gone = new AbortController();
  readonly closed = this.gone.signal;

  constructor(private readonly response: ServerResponse) {
    response.once('close', () => this.gone.abort());
    // A connection that breaks shows as 'close' too.
    response.on('error', () => this.gone.abort());
    if (response.destroyed) this.gone.abort();
  }

  write(bytes: Buffer, flushed: () => void): void {
    // Of a write that failed nothing is left to wait for: the connection is gone.
    this.response.write(bytes, () => flushed());
  }

  end({ code, message, field, hint }: Refusal): void {
    this.response.end(`event: end\ndata: ${JSON.stringify({ code, message, field, hint })}\n\n`);
  }

  kill(): void {
    this.response.destroy();
  }
}

import { CliError, exitCodeOf, tokenHint } from './errors.js';
import type { Settings } from './settings.js';

export interface SseMessage {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** Blocks of `text/event-stream` from pieces of any length. */
export class SseBlocks {
  private rest = '';

  take(chunk: string): SseMessage[] {
    const blocks = (this.rest + chunk).split('\n\n');
    this.rest = blocks.pop()!;
    return blocks.map(messageOf).filter((message) => message !== undefined);
  }
}

const messageOf = (block: string): SseMessage | undefined => {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const at = line.indexOf(':');
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1).replace(/^ /, ''));
  }
  const data = fields.get('data');
  return data === undefined ? undefined : { id: fields.get('id'), event: fields.get('event') ?? 'message', data };
};

/** The stream has ended in a way after which connecting again may help. */
export class StreamBroken extends Error {
  override readonly name = 'StreamBroken';
}

interface Told {
  readonly code: string;
  readonly message: string;
  readonly field?: string;
  readonly hint?: string;
}

/** The platform tells its progress every 15 s: silence for three times as long is a connection that is dead without knowing it. */
const SILENCE_MS = 45_000;

/** The platform is busy, stops or lacks its store: the same call may go well in a moment. */
const PASSING = [429, 502, 503, 504];

const refused = (told: Told, status: number): CliError => {
  const field = told.field === undefined ? '' : `, field ${told.field}`;
  const hint = tokenHint(told.code, told.hint);
  return new CliError(told.message, `${told.code}${field} (HTTP ${status})`, hint, exitCodeOf(status), told);
};

const answerOf = async (settings: Settings, response: Response): Promise<Error> => {
  const text = await response.text().catch(() => '');
  let told: Told | undefined;
  try {
    told = (JSON.parse(text) as { error?: Told }).error;
  } catch {
    told = undefined;
  }
  if (PASSING.includes(response.status)) return new StreamBroken(told?.message ?? `HTTP ${response.status}`);
  if (told !== undefined) return refused(told, response.status);
  const why = `HTTP ${response.status}, and the body is not JSON`;
  return new CliError(`${settings.url} does not answer like Drover`, why, 'check --url', 3);
};

const connect = async (
  settings: Settings,
  query: string,
  after: string | undefined,
  signal: AbortSignal,
): Promise<Response> => {
  let response: Response;
  try {
    response = await fetch(`${settings.url}/events${query}`, {
      headers: {
        authorization: `Bearer ${settings.token}`,
        ...(after === undefined ? {} : { 'last-event-id': after }),
      },
      signal,
    });
  } catch (error) {
    throw new StreamBroken(causeOf(error));
  }
  if (response.status !== 200) throw await answerOf(settings, response);
  return response;
};

const causeOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
};

/**
 * One connection to GET /events. Throws StreamBroken when it ends and may be taken up again, CliError when that would not
 * help. `opened` is called once the platform has accepted it.
 */
export async function* eventMessages(
  settings: Settings,
  query: string,
  after: string | undefined,
  end: AbortSignal,
  opened: () => void,
): AsyncGenerator<SseMessage> {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENCE_MS);
  try {
    const response = await connect(settings, query, after, AbortSignal.any([end, silent.signal]));
    opened();
    const blocks = new SseBlocks();
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE_MS);
      for (const message of blocks.take(decoder.decode(chunk as Uint8Array, { stream: true }))) {
        if (message.event === 'end') throw endOf(JSON.parse(message.data) as Told);
        yield message;
      }
    }
  } catch (error) {
    if (error instanceof CliError || error instanceof StreamBroken) throw error;
    throw new StreamBroken(silent.signal.aborted ? 'nothing was heard for too long' : causeOf(error));
  } finally {
    clearTimeout(timer);
  }
  throw new StreamBroken('the platform has ended the connection');
}

const ENDS_FOR_GOOD = ['invalid_token', 'permission_denied'];
const endOf = (told: Told): Error =>
  ENDS_FOR_GOOD.includes(told.code)
    ? refused(told, told.code === 'invalid_token' ? 401 : 403)
    : new StreamBroken(told.message);

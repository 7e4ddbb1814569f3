import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { Mailbox } from './mailbox.js';

export interface SseMessage {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** The parser of the HTML standard, as far as servers of ours go: fields, comments, and blocks without data. */
export class SseParser {
  private rest = '';

  constructor(private readonly onMessage: (message: SseMessage) => void) {}

  feed(chunk: string): void {
    const blocks = (this.rest + chunk).split('\n\n');
    this.rest = blocks.pop()!;
    for (const block of blocks) this.block(block);
  }

  private block(text: string): void {
    const fields = new Map<string, string>();
    for (const line of text.split('\n')) {
      const at = line.indexOf(':');
      if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1).replace(/^ /, ''));
    }
    const data = fields.get('data');
    if (data !== undefined) this.onMessage({ id: fields.get('id'), event: fields.get('event') ?? 'message', data });
  }
}

export interface SseConnection {
  readonly response: IncomingMessage;
  readonly request: ClientRequest;
  readonly messages: readonly SseMessage[];
  /** Resolves with the first message that fits, however long ago it came. */
  until(fits: (message: SseMessage) => boolean): Promise<SseMessage>;
  /** Resolves when the server or the client has ended the connection. */
  readonly ended: Promise<void>;
  cut(): void;
}

export interface SseOptions {
  readonly token?: string;
  readonly lastEventId?: string | undefined;
  readonly onMessage?: (message: SseMessage) => void;
}

/** Connects; with any answer but 200 it rejects with the status and the body. */
export const connectSse = (url: string, options: SseOptions = {}): Promise<SseConnection> =>
  new Promise((resolve, reject) => {
    const headers = {
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }),
    };
    const sent = request(url, { headers, agent: false }, (response) => {
      if (response.statusCode === 200) resolve(connection(sent, response, options.onMessage));
      else void refusalOf(response).then(reject);
    });
    sent.on('error', reject);
    sent.end();
  });

const refusalOf = async (response: IncomingMessage): Promise<Error> => {
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return Object.assign(new Error(text), { status: response.statusCode, body: JSON.parse(text) as unknown });
};

const connection = (
  sent: ClientRequest,
  response: IncomingMessage,
  onMessage: ((message: SseMessage) => void) | undefined,
): SseConnection => {
  const mailbox = new Mailbox<SseMessage>();
  const { messages } = mailbox;
  const parser = new SseParser((message) => {
    onMessage?.(message);
    mailbox.push(message);
  });
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => parser.feed(chunk));
  const ended = new Promise<void>((resolve) => response.once('close', () => resolve()));
  // Being cut is what some tests do; `ended` says so.
  response.on('error', () => undefined);
  sent.on('error', () => undefined);
  const over = ended.then(() => new Error(`the stream ended; last: ${JSON.stringify(messages.at(-1))}`));
  const until = (fits: (message: SseMessage) => boolean) => mailbox.until(fits, over);
  return { request: sent, response, messages, until, ended, cut: () => sent.destroy() };
};

import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import type { LookupFunction } from 'node:net';
import { errorMessage, foreignText, type Timers } from '#kernel';
import { isPublicAddress, literalAddress } from '../domain/webhook/target.js';

export interface WebhookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type SendOutcome =
  | { readonly kind: 'ok'; readonly status: number }
  | { readonly kind: 'failed'; readonly error: string; readonly status?: number; readonly retryAfterMs?: number };

/** Sends one message and answers what came of it; never rejects. */
export interface WebhookTransport {
  send(request: WebhookRequest, signal: AbortSignal): Promise<SendOutcome>;
}

export interface HttpTransportOptions {
  readonly timers: Timers;
  readonly allowPrivate: boolean;
  /** For the whole exchange; 10 s by default. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;

/**
 * HTTP as it must be towards addresses that somebody else has chosen: the address that is connected to is the one that was
 * checked (a second look-up could answer another), redirects are not followed, and of the answer only the status is read.
 */
export class HttpTransport implements WebhookTransport {
  private readonly agents = { 'http:': new http.Agent(), 'https:': new https.Agent() };

  constructor(private readonly options: HttpTransportOptions) {}

  send({ url: text, headers, body }: WebhookRequest, signal: AbortSignal): Promise<SendOutcome> {
    const url = new URL(text);
    const address = literalAddress(url);
    if (address !== undefined && !this.mayReach(address)) return Promise.resolve(privateTarget(address));
    return new Promise((resolve) => {
      const timeoutMs = this.options.timeoutMs ?? TIMEOUT_MS;
      const done = (outcome: SendOutcome) => {
        cancel();
        signal.removeEventListener('abort', stop);
        sent.destroy();
        resolve(outcome);
      };
      const failed = (error: string) => done({ kind: 'failed', error });
      const stop = () => failed('the platform stops');
      const sent = (url.protocol === 'https:' ? https : http).request(url, {
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'drover-webhooks',
        },
        agent: this.agents[url.protocol as 'http:' | 'https:'],
        lookup: this.lookup,
      });
      const cancel = this.options.timers.after(timeoutMs, () => failed(`no answer within ${timeoutMs / 1000} s`));
      signal.addEventListener('abort', stop, { once: true });
      // Some of these hold what the other side said, as the names in its certificate.
      sent.on('error', (error) => failed(foreignText(errorMessage(error) || error.name)));
      sent.on('response', (response) => done(outcomeOf(response)));
      if (signal.aborted) return stop();
      sent.end(body);
    });
  }

  private mayReach(address: string): boolean {
    return this.options.allowPrivate || isPublicAddress(address);
  }

  private readonly lookup: LookupFunction = (hostname, options, callback) => {
    dnsLookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error !== null) return callback(error, '', 0);
      const allowed = found.filter(({ address }) => this.mayReach(address));
      const [first] = allowed;
      if (first === undefined) return callback(new Error(`${hostname} is at no public address`), '', 0);
      if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}

const privateTarget = (address: string): SendOutcome => ({
  kind: 'failed',
  error: `${address} is not a public address`,
});

const outcomeOf = (response: http.IncomingMessage): SendOutcome => {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return { kind: 'ok', status };
  const error = status >= 300 && status < 400 ? `HTTP ${status}: redirects are not followed` : `HTTP ${status}`;
  const seconds = /^\d{1,6}$/.exec(response.headers['retry-after'] ?? '')?.[0];
  return { kind: 'failed', error, status, ...(seconds === undefined ? {} : { retryAfterMs: Number(seconds) * 1000 }) };
};
export const WEBHOOK_TRANSPORT = Symbol('WebhookTransport');

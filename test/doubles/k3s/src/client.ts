import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { readBody } from './raft/peer-server.js';
import { tuning } from './version.js';

export interface Answer {
  readonly status: number;
  readonly body: string;
}
export class HttpStatusError extends Error {
  override readonly name = 'HttpStatusError';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}
/** A 403 says only one thing, whatever its body is (k3s-io/k3s pkg/agent/config/config.go). */
export const refusalOf = ({ status, body }: Answer, what: string): string =>
  status === 403
    ? `Node password rejected, duplicate hostname or contents of '${tuning.etcDir}/node/password' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag`
    : `${what}: ${status} ${body.trim()}`;

export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecure?: boolean;
}

/** How long one server may take for its whole answer, in milliseconds. */
const ANSWER_WITHIN_MS = 8_000;

/** HTTPS to one of several servers; moves on to the next when one does not answer, as k3s' client load balancer does. */
export class Client {
  private readonly agent: Agent;
  private current = 0;

  constructor(
    private servers: readonly string[],
    tls: ClientTls,
    private readonly headers: Readonly<Record<string, string>> = {},
    private readonly answerWithinMs = ANSWER_WITHIN_MS,
  ) {
    const { insecure, ...rest } = tls;
    this.agent = new Agent({ ...rest, rejectUnauthorized: insecure !== true, keepAlive: true });
  }

  setServers(servers: readonly string[]): void {
    const active = this.servers[this.current];
    this.servers = servers;
    this.current = Math.max(0, servers.indexOf(active ?? ''));
  }

  async call(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<Answer> {
    let failure: unknown;
    for (const server of [...this.servers.slice(this.current), ...this.servers.slice(0, this.current)]) {
      try {
        const answer = await this.askOne(server, method, path, body, contentType);
        // Only an answer moves the others: calls that fail at once would each skip one, and with it the one that lives.
        this.current = Math.max(0, this.servers.indexOf(server));
        return answer;
      } catch (cause) {
        failure = cause;
      }
    }
    throw failure;
  }

  private async askOne(
    server: string,
    method: string,
    path: string,
    body: unknown,
    contentType: string,
  ): Promise<Answer> {
    const response = await this.open(server, method, path, body, contentType);
    // A machine that is killed in the middle of its answer never ends it.
    const timer = setTimeout(() => response.destroy(deadlineExceeded(server)), this.answerWithinMs);
    try {
      return { status: response.statusCode ?? 0, body: await readBody(response) };
    } finally {
      clearTimeout(timer);
    }
  }

  async json<T>(method: string, path: string, body?: unknown, contentType?: string): Promise<T> {
    const answer = await this.call(method, path, body, contentType);
    if (answer.status >= 300)
      throw new HttpStatusError(answer.status, messageIn(answer.body) ?? `${method} ${path}: ${answer.status}`);
    return JSON.parse(answer.body) as T;
  }

  private open(
    server: string,
    method: string,
    path: string,
    body: unknown,
    contentType: string,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
      const headers = {
        ...this.headers,
        ...(text === undefined
          ? {}
          : { 'content-type': contentType, 'content-length': String(Buffer.byteLength(text)) }),
      };
      const request = httpsRequest(new URL(path, server), { method, agent: this.agent, headers }, resolve);
      const timer = setTimeout(() => request.destroy(deadlineExceeded(server)), this.answerWithinMs);
      request.once('response', () => clearTimeout(timer));
      request.on('error', (cause) => (clearTimeout(timer), reject(cause)));
      request.on('socket', (socket) => socket.setKeepAlive(true, 1_000));
      request.end(text);
    });
  }
}

const deadlineExceeded = (server: string): Error => new Error(`${server}: context deadline exceeded`);

const messageIn = (body: string): string | undefined => {
  try {
    return (JSON.parse(body) as { message?: string }).message;
  } catch (cause) {
    if (cause instanceof SyntaxError) return body.trim() === '' ? undefined : body.trim();
    throw cause;
  }
};

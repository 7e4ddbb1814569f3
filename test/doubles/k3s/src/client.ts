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

/** HTTPS to one of several servers; moves on to the next when one does not answer, as k3s' client load balancer does. */
export class Client {
  private readonly agent: Agent;
  private current = 0;

  constructor(
    private servers: readonly string[],
    tls: ClientTls,
    private readonly headers: Readonly<Record<string, string>> = {},
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
    for (let attempt = 0; attempt < this.servers.length; attempt++) {
      const server = this.servers[this.current % this.servers.length]!;
      try {
        const response = await this.open(server, method, path, body, contentType, 8_000);
        return { status: response.statusCode ?? 0, body: await readBody(response) };
      } catch (cause) {
        failure = cause;
        this.current = (this.current + 1) % this.servers.length;
      }
    }
    throw failure;
  }

  async json<T>(method: string, path: string, body?: unknown, contentType?: string): Promise<T> {
    const answer = await this.call(method, path, body, contentType);
    if (answer.status >= 300)
      throw new HttpStatusError(answer.status, messageIn(answer.body) ?? `${method} ${path}: ${answer.status}`);
    return JSON.parse(answer.body) as T;
  }

  /** Lines of a watch until it ends; throws when the connection breaks. */
  async watch(path: string, onEvent: (event: { type: string; object: unknown }) => void): Promise<void> {
    const server = this.servers[this.current % this.servers.length]!;
    const response = await this.open(server, 'GET', path, undefined, '', 8_000);
    if (response.statusCode !== 200) throw new HttpStatusError(response.statusCode ?? 0, await readBody(response));
    let rest = '';
    for await (const chunk of response) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line !== '') onEvent(JSON.parse(line) as { type: string; object: unknown });
    }
  }

  private open(
    server: string,
    method: string,
    path: string,
    body: unknown,
    contentType: string,
    timeoutMs: number,
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
      const timer = setTimeout(() => request.destroy(new Error(`${server}: context deadline exceeded`)), timeoutMs);
      request.once('response', () => clearTimeout(timer));
      request.on('error', (cause) => (clearTimeout(timer), reject(cause)));
      request.on('socket', (socket) => socket.setKeepAlive(true, 1_000));
      request.end(text);
    });
  }
}

const messageIn = (body: string): string | undefined => {
  try {
    return (JSON.parse(body) as { message?: string }).message;
  } catch (cause) {
    if (cause instanceof SyntaxError) return body.trim() === '' ? undefined : body.trim();
    throw cause;
  }
};

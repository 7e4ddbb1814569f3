import { Agent, createServer, request as httpsRequest, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { KeyPair } from '../pki.js';
import type { Raft } from './raft.js';
import {
  NoLeaderError,
  type AppendRequest,
  type Member,
  type PeerTransport,
  type Txn,
  type VoteRequest,
} from './types.js';

/** Members talk mutual TLS under the peer CA, on the node's address (2380, as etcd does). */
export class HttpsPeers implements PeerTransport {
  private readonly agent: Agent;

  constructor(
    tls: KeyPair,
    ca: string,
    private readonly timeoutMs: number,
  ) {
    this.agent = new Agent({ ...tls, ca, keepAlive: true, maxSockets: 8 });
  }

  vote = (peer: Member, body: VoteRequest) => this.call<ReturnType<Raft['onVote']>>(peer.peerUrl, 'vote', body);
  append = (peer: Member, body: AppendRequest) => this.call<ReturnType<Raft['onAppend']>>(peer.peerUrl, 'append', body);
  propose = (peer: Member, body: Txn) =>
    this.call<Awaited<ReturnType<Raft['proposeHere']>>>(peer.peerUrl, 'propose', body, 6_000);
  readIndex = async (peer: Member) => (await this.call<{ index: number }>(peer.peerUrl, 'read-index', {}, 4_000)).index;

  call<T>(peerUrl: string, path: string, body: unknown, timeoutMs = this.timeoutMs): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const text = JSON.stringify(body);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
      const request = httpsRequest(
        `${peerUrl}/raft/${path}`,
        { method: 'POST', agent: this.agent, headers },
        (response) => {
          readBody(response)
            .then((answer) => {
              if (response.statusCode === 200) resolve(JSON.parse(answer) as T);
              else reject(new NoLeaderError(answer || `peer answered ${response.statusCode}`));
            })
            .catch(reject);
        },
      );
      request.setTimeout(timeoutMs, () => request.destroy(new NoLeaderError('etcdserver: request timed out')));
      request.on('error', reject);
      request.end(text);
    });
  }
}

export const readBody = async (stream: IncomingMessage, limit = 64 * 1024 * 1024): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += (chunk as Buffer).length;
    if (size > limit) throw new Error('request entity too large');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
};

type Handler = (body: never) => unknown;

export const servePeers = (
  tls: KeyPair,
  ca: string,
  at: { host: string; port: number },
  raft: () => Raft,
  join: (member: Member) => Promise<unknown>,
): Promise<Server> => {
  const handlers: Record<string, Handler> = {
    vote: (body: VoteRequest) => raft().onVote(body),
    append: (body: AppendRequest) => raft().onAppend(body),
    propose: (body: Txn) => raft().proposeHere(body),
    'read-index': async () => ({ index: await raft().readIndexHere() }),
    join: (body: Member) => join(body),
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const handler = handlers[(request.url ?? '').replace('/raft/', '')];
    if (handler === undefined) return void response.writeHead(404).end();
    const body = JSON.parse(await readBody(request)) as never;
    // The head after the answer: an error under a 200 ended the process that had asked.
    const text = JSON.stringify(await handler(body));
    response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  };
  const server = createServer({ ...tls, ca, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    answer(request, response).catch((cause: unknown) => {
      if (!response.headersSent) response.writeHead(503);
      response.end(cause instanceof Error ? cause.message : String(cause));
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => resolve(server));
  });
};

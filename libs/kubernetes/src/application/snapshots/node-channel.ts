import type { Duplex } from 'node:stream';
import { z } from 'zod';
import type { AgentLink } from '#agent-gateway';

/** Not a port of the node: the agent itself answers there (agent/src/tunnel/node-channel.ts). */
const CHANNEL_PORT = 1;
const MAX_LINE = 4_096;

const answer = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), size: z.number().int().optional() }),
  z.object({ ok: z.literal(false), error: z.string() }),
]);

export type NodeRequest =
  | { readonly op: 'read'; readonly file: string }
  | { readonly op: 'write'; readonly file: string; readonly size: number; readonly sha256: string }
  | { readonly op: 'halt' | 'resume' | 'rejoin'; readonly id: string }
  /** Whether this agent could be given tokens of cluster `id`; and the token itself, of a generation. */
  | { readonly op: 'token_pair_ready'; readonly id: string }
  /** Both tokens while it is not settled which of them K3s has. */
  | {
      readonly op: 'token_pair';
      readonly id: string;
      readonly generation: number;
      readonly token: string;
      readonly former: string;
    }
  | { readonly op: 'token'; readonly id: string; readonly generation: number; readonly token: string }
  | {
      readonly op: 'restore';
      readonly id: string;
      readonly file: string;
      readonly cluster_id: string;
      readonly token: string;
    };

/** Speaks with a server's agent about its K3s: one request a tunnel, one line of JSON each way, bytes after it. */
export class NodeChannel {
  constructor(private readonly link: Pick<AgentLink, 'openTunnel'>) {}

  /** Asks and waits for the answer. Throws what the agent says is wrong. */
  async ask(instanceId: string, request: NodeRequest, body?: AsyncIterable<Buffer>): Promise<void> {
    const stream = await this.link.openTunnel(instanceId, CHANNEL_PORT);
    try {
      await send(stream, Buffer.from(`${JSON.stringify(request)}\n`));
      if (body !== undefined) for await (const chunk of body) await send(stream, chunk);
      await firstLine(stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>);
    } finally {
      stream.destroy();
    }
  }

  /** The bytes of a snapshot file on the node. */
  async *read(instanceId: string, file: string): AsyncGenerator<Buffer> {
    const stream = await this.link.openTunnel(instanceId, CHANNEL_PORT);
    try {
      await send(stream, Buffer.from(`${JSON.stringify({ op: 'read', file })}\n`));
      const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      const { size, rest } = await firstLine(chunks);
      let got = rest.length;
      if (rest.length > 0) yield rest;
      while (got < (size ?? 0)) {
        const next = await chunks.next();
        if (next.done === true) throw new Error(`${file} broke off after ${got} of ${size} bytes`);
        got += next.value.length;
        yield next.value;
      }
    } finally {
      stream.destroy();
    }
  }
}

const send = (stream: Duplex, bytes: Buffer): Promise<void> =>
  new Promise((resolve, reject) => stream.write(bytes, (error) => (error ? reject(error) : resolve())));

const firstLine = async (chunks: AsyncIterator<Buffer>): Promise<{ size: number | undefined; rest: Buffer }> => {
  let seen = Buffer.alloc(0);
  for (;;) {
    const end = seen.indexOf(10);
    if (end >= 0) {
      const said = answer.parse(JSON.parse(seen.subarray(0, end).toString('utf8')));
      if (!said.ok) throw new Error(said.error);
      return { size: said.size, rest: seen.subarray(end + 1) };
    }
    if (seen.length > MAX_LINE) throw new Error('the agent gives no answer that could be understood');
    const next = await chunks.next();
    if (next.done === true) throw new Error('the agent ended the tunnel without an answer');
    seen = Buffer.concat([seen, next.value]);
  }
};

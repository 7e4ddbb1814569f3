import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { foreignText, type Timers } from '#kernel';
import type { AgentLink } from '#agent-gateway';

/** Not a port of the node: the agent itself answers there (agent/src/tunnel/node-channel.ts). */
const CHANNEL_PORT = 1;
const MAX_LINE = 4_096;
/** No byte for so long: the agent is gone, or plays dead. */
const QUIET_MS = 60_000;
/** K3s is stopped, or makes a datastore of a snapshot: nothing is said meanwhile. */
const WORK_MS: Partial<Record<NodeRequest['op'], number>> = {
  ...{ write: 15 * 60_000, halt: 15 * 60_000, resume: 15 * 60_000, rejoin: 15 * 60_000, restore: 60 * 60_000 },
};
/** What etcd recommends as the most; K3s itself begins with 2 GiB. A node could name any size and fill the platform's disk. */
const MAX_SNAPSHOT_BYTES = 8 * 1024 ** 3;
const GIB = 1024 ** 3;
const READ_MS = 60 * 60_000;

/** It will not be smaller the next time that it is asked for. */
export class SnapshotTooLarge extends Error {
  constructor(file: string, size: number) {
    const gib = (Math.ceil((size / GIB) * 10) / 10).toFixed(1);
    super(`${file} has ${gib} GiB (${size} bytes), and a snapshot may have ${MAX_SNAPSHOT_BYTES / GIB} GiB`);
  }
}

const answer = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), size: z.number().int().min(0).optional() }),
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
  constructor(
    private readonly link: Pick<AgentLink, 'openTunnel'>,
    private readonly timers: Pick<Timers, 'after'>,
  ) {}

  /** Asks and waits for the answer. Throws what the agent says is wrong. */
  async ask(instanceId: string, request: NodeRequest, body?: AsyncIterable<Buffer>): Promise<void> {
    const stream = await this.open(instanceId);
    try {
      const asked = Buffer.from(`${JSON.stringify(request)}\n`);
      await this.within(stream, QUIET_MS, send(stream, asked));
      if (body !== undefined) for await (const chunk of body) await this.within(stream, QUIET_MS, send(stream, chunk));
      const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      await this.within(stream, WORK_MS[request.op] ?? QUIET_MS, firstLine(chunks));
    } finally {
      stream.destroy();
    }
  }

  /** The bytes of a snapshot file on the node. */
  async *read(instanceId: string, file: string): AsyncGenerator<Buffer> {
    const stream = await this.open(instanceId);
    const late = new Error(`${file} did not come whole within ${READ_MS / 60_000} minutes`);
    const cancel = this.timers.after(READ_MS, () => stream.destroy(late));
    try {
      await this.within(stream, QUIET_MS, send(stream, Buffer.from(`${JSON.stringify({ op: 'read', file })}\n`)));
      const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      const { size, rest } = await this.within(stream, QUIET_MS, firstLine(chunks));
      if ((size ?? 0) > MAX_SNAPSHOT_BYTES) throw new SnapshotTooLarge(file, size!);
      let got = rest.length;
      if (rest.length > 0) yield rest;
      while (got < (size ?? 0)) {
        const next = await this.within(stream, QUIET_MS, chunks.next());
        if (next.done === true) throw new Error(`${file} broke off after ${got} of ${size} bytes`);
        got += next.value.length;
        yield next.value;
      }
    } finally {
      cancel();
      stream.destroy();
    }
  }

  private async open(instanceId: string): Promise<Duplex> {
    const stream = await this.link.openTunnel(instanceId, CHANNEL_PORT);
    // Told to whoever waits; a stream without a listener would end the process.
    stream.on('error', () => undefined);
    return stream;
  }

  /** A node that opens the tunnel and falls silent must not hold up what waits for it. */
  private within<T>(stream: Duplex, boundMs: number, work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const cancel = this.timers.after(boundMs, () => {
        const silent = new Error(`the agent said nothing for ${boundMs / 1_000} s`);
        stream.destroy(silent);
        reject(silent);
      });
      work.finally(cancel).then(resolve, reject);
    });
  }
}

const send = (stream: Duplex, bytes: Buffer): Promise<void> =>
  new Promise((resolve, reject) => stream.write(bytes, (error) => (error ? reject(error) : resolve())));

const understood = (line: string): z.infer<typeof answer> | undefined => {
  try {
    return answer.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
};

const firstLine = async (chunks: AsyncIterator<Buffer>): Promise<{ size: number | undefined; rest: Buffer }> => {
  let seen = Buffer.alloc(0);
  for (;;) {
    const end = seen.indexOf(10);
    if (end >= 0) {
      const said = end > MAX_LINE ? undefined : understood(seen.subarray(0, end).toString('utf8'));
      if (said === undefined) throw new Error('the agent gives no answer that could be understood');
      if (!said.ok) throw new Error(foreignText(said.error, 1_000));
      return { size: said.size, rest: seen.subarray(end + 1) };
    }
    if (seen.length > MAX_LINE) throw new Error('the agent gives no answer that could be understood');
    const next = await chunks.next();
    if (next.done === true) throw new Error('the agent ended the tunnel without an answer');
    seen = Buffer.concat([seen, next.value]);
  }
};

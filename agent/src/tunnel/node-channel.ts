import { PassThrough, Readable } from 'node:stream';
import { z } from 'zod';
import { errorMessage } from '#kernel';
import type { Loopback } from '../ports.js';

const MAX_LINE = 4_096;
/** Names as K3s gives them; nothing that leads out of its folder. */
const file = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,250}$/);
const id = z.string().min(1).max(100);

const request = z.discriminatedUnion('op', [
  z.object({ op: z.literal('read'), file }),
  z.object({ op: z.literal('write'), file, size: z.number().int().min(1), sha256: z.string().length(64) }),
  z.object({ op: z.enum(['halt', 'resume', 'rejoin']), id }),
  z.object({ op: z.literal('token_ready'), id }),
  z.object({ op: z.literal('token'), id, generation: z.number().int().min(1), token: z.string().min(1).max(1_000) }),
  z.object({ op: z.literal('token_pair_ready'), id }),
  z.object({
    ...{ op: z.literal('token_pair'), id, generation: z.number().int().min(1) },
    ...{ token: z.string().min(1).max(1_000), former: z.string().min(1).max(1_000) },
  }),
  z.object({ op: z.literal('restore'), id, file, cluster_id: id, token: z.string().min(1) }),
]);
export type NodeRequest = z.infer<typeof request>;

/** What the agent does for the platform on this channel. */
export interface NodeService {
  read(file: string): Promise<{ readonly size: number; readonly bytes: AsyncIterable<Buffer> }>;
  write(
    file: string,
    expected: { readonly size: number; readonly sha256: string },
    bytes: AsyncIterable<Buffer>,
  ): Promise<void>;
  act(request: Exclude<NodeRequest, { op: 'read' | 'write' }>): Promise<void>;
}

/** One request a tunnel: a line of JSON, answered by one; bytes follow the line of whoever has them. */
export const nodeChannel =
  (service: NodeService): Loopback['connect'] =>
  (_port, handlers, onOpen) => {
    const incoming = new PassThrough();
    const outgoing = new PassThrough();
    outgoing.on('data', (chunk: Buffer) => handlers.onData(chunk));
    outgoing.once('end', () => handlers.onClose(undefined));
    incoming.on('drain', () => handlers.onDrain());
    incoming.on('error', () => outgoing.end());
    setImmediate(() => {
      onOpen();
      void serve(service, incoming, outgoing);
    });
    return {
      write: (data) => incoming.write(data),
      end: () => void incoming.end(),
      destroy: () => void incoming.destroy(new Error('the platform ended the tunnel')),
      pause: () => void outgoing.pause(),
      resume: () => void outgoing.resume(),
    };
  };

const line = (value: object): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);

const serve = async (service: NodeService, incoming: PassThrough, outgoing: PassThrough): Promise<void> => {
  try {
    const chunks = incoming[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const { text, rest } = await firstLine(chunks);
    const asked = request.parse(JSON.parse(text));
    if (asked.op === 'read') {
      const { size, bytes } = await service.read(asked.file);
      outgoing.write(line({ ok: true, size }));
      await new Promise<void>((resolve, reject) => {
        const source = Readable.from(bytes);
        source.once('error', reject);
        source.once('end', resolve);
        source.pipe(outgoing, { end: false });
      });
    } else {
      if (asked.op === 'write') await service.write(asked.file, asked, following(rest, chunks, asked.size));
      else await service.act(asked);
      outgoing.write(line({ ok: true }));
    }
  } catch (error) {
    const said =
      error instanceof z.ZodError ? `the request is none: ${error.issues[0]?.message ?? ''}` : errorMessage(error);
    if (outgoing.writable) outgoing.write(line({ ok: false, error: said.slice(0, 1_000) }));
  }
  outgoing.end();
};

async function* following(rest: Buffer, chunks: AsyncIterator<Buffer>, size: number): AsyncGenerator<Buffer> {
  let got = rest.length;
  if (rest.length > 0) yield rest;
  while (got < size) {
    const next = await chunks.next();
    if (next.done === true) throw new Error(`the platform broke off after ${got} of ${size} bytes`);
    got += next.value.length;
    yield next.value;
  }
}

const firstLine = async (chunks: AsyncIterator<Buffer>): Promise<{ text: string; rest: Buffer }> => {
  let seen = Buffer.alloc(0);
  for (;;) {
    const end = seen.indexOf(10);
    if (end >= 0) return { text: seen.subarray(0, end).toString('utf8'), rest: seen.subarray(end + 1) };
    if (seen.length > MAX_LINE) throw new Error('no request within 4 KiB');
    const next = await chunks.next();
    if (next.done === true) throw new Error('no request');
    seen = Buffer.concat([seen, next.value]);
  }
};

import { Duplex } from 'node:stream';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { agentV1 } from '#proto';

const CHUNK = 64 * 1024;

type Call = ServerDuplexStream<agentV1.TunnelRequest, agentV1.TunnelResponse>;

/**
 * The platform's end of a tunnel as a Node stream. Reading slowly pauses the agent and with it the node's server; a write
 * completes when gRPC has taken it. Ending our side ends the tunnel: gRPC has no half-closed server stream.
 */
export class GrpcDuplex extends Duplex {
  private over = false;

  constructor(private readonly call: Call) {
    super({ allowHalfOpen: true });
    call.on('data', ({ message }: agentV1.TunnelRequest) => {
      if (message?.$case === 'data' && !this.push(message.value)) call.pause();
    });
    call.on('end', () => this.push(null));
    call.on('cancelled', () => this.remoteGone());
    call.on('error', (error: Error) => void (this.over || this.destroy(error)));
  }

  override _read(): void {
    this.call.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    let at = 0;
    const next = (error?: Error | null): void => {
      if (error != null || at >= chunk.length) return done(error);
      const part = chunk.subarray(at, at + CHUNK);
      at += part.length;
      this.call.write({ data: part }, next);
    };
    next();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.finish();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.finish();
    done(error);
  }

  private finish(): void {
    if (this.over) return;
    this.over = true;
    this.call.end();
  }

  private remoteGone(): void {
    if (this.over || this.destroyed) return;
    this.over = true;
    this.destroy(new Error('the tunnel was cut'));
  }
}

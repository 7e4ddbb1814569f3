import { once } from 'node:events';
import { createServer, connect, type NetConnectOpts, type Server, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

export type Direction = 'request' | 'answer';
/** Lets `after` bytes of one direction through, then hangs up on both sides. */
export interface Cut {
  readonly direction: Direction;
  readonly after: number;
}

/**
 * A socket in front of Postgres that passes every byte on, and cuts at the very byte that it is told, counted from the request
 * that holds a marker: the server has then seen the whole request, a part of it or nothing, and the client the whole
 * answer, a part of it or nothing.
 */
export class CuttingProxy {
  private cut: { readonly direction: Direction; left: number } | undefined;
  private begun = false;
  private readonly counts = { request: 0, answer: 0 };
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly dir: string,
    private readonly behind: pg.ClientConfig,
    private readonly marker: string,
  ) {}

  static async inFrontOf(connection: pg.ClientConfig, marker: string): Promise<CuttingProxy> {
    const { host, port, user, database, password } = new pg.Client(connection);
    const target: NetConnectOpts = host.startsWith('/') ? { path: join(host, `.s.PGSQL.${port}`) } : { host, port };
    const dir = await mkdtemp(join(tmpdir(), 'drover-proxy-'));
    const server = createServer();
    const behind: pg.ClientConfig = {
      ...(database && { database }),
      ...(user && { user }),
      ...(password && { password }),
    };
    const proxy = new CuttingProxy(server, dir, behind, marker);
    server.on('connection', (client) => proxy.carry(client, connect(target)));
    server.listen(join(dir, '.s.PGSQL.5432'));
    await once(server, 'listening');
    return proxy;
  }

  /** For whoever is to go through the proxy. */
  get connection(): pg.ClientConfig {
    return { ...this.behind, host: this.dir, port: 5432 };
  }

  /** Waits for the next request with the marker; counts, and cuts when told to. */
  watch(cut?: Cut): void {
    this.begun = false;
    this.counts.request = this.counts.answer = 0;
    this.cut = cut && { direction: cut.direction, left: cut.after };
  }

  /** Bytes since the request with the marker. */
  get passed(): Readonly<Record<Direction, number>> {
    return { ...this.counts };
  }

  /** True while the cut that was asked for has not happened. */
  get waiting(): boolean {
    return this.cut !== undefined;
  }

  /** Ends every connection, between two exchanges. */
  hangUp(): void {
    this.cut = undefined;
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.hangUp();
    this.server.close();
    await rm(this.dir, { recursive: true, force: true });
  }

  private carry(client: Socket, upstream: Socket): void {
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.sockets.add(one);
      one.on('error', () => one.destroy());
      one.on('close', () => {
        this.sockets.delete(one);
        other.end();
      });
    }
    client.on('data', (chunk) => this.pass('request', chunk, client, upstream));
    upstream.on('data', (chunk) => this.pass('answer', chunk, upstream, client));
  }

  private pass(direction: Direction, chunk: Buffer, from: Socket, to: Socket): void {
    this.begun ||= direction === 'request' && chunk.includes(this.marker);
    if (!this.begun) return void to.write(chunk);
    this.counts[direction] += chunk.length;
    const { cut } = this;
    if (cut?.direction !== direction) return void to.write(chunk);
    if (chunk.length < cut.left) {
      cut.left -= chunk.length;
      return void to.write(chunk);
    }
    this.cut = undefined;
    from.pause();
    // What may pass is on its way before either side learns of the end.
    to.end(chunk.subarray(0, cut.left), () => {
      from.destroy();
      to.destroy();
    });
  }
}

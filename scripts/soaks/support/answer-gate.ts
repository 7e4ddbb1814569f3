import { connect, createServer, type Server, type Socket } from 'node:net';

/** How the platform's answers travel: at once, after a while, or not at all. Questions always travel at once. */
export type Answers =
  { readonly kind: 'pass' } | { readonly kind: 'delay'; readonly ms: number } | { readonly kind: 'withhold' };

/**
 * A TCP proxy in front of one of the platform's ports that can keep its answers: what the platform has done and
 * recorded, the other side has then not heard of. `cut` throws away what is kept and ends every connection.
 */
export class AnswerGate {
  private answers: Answers = { kind: 'pass' };
  private readonly open = new Set<Socket>();
  private kept = 0;

  private constructor(private readonly server: Server) {}

  static async listen(host: string, port: number, to: { readonly host: string; readonly port: number }) {
    const server = createServer();
    const gate = new AnswerGate(server);
    server.on('connection', (from) => gate.carry(from, connect(to.port, to.host)));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    server.unref();
    return gate;
  }

  set(answers: Answers): void {
    this.answers = answers;
  }

  /** Bytes of answers that were on the way and never arrived. */
  cut(): number {
    const lost = this.kept;
    this.kept = 0;
    this.answers = { kind: 'pass' };
    // Not resetAndDestroy: on a connection that the other side has reset already it leaks the descriptor (Node 24).
    for (const socket of this.open) socket.destroy();
    return lost;
  }

  close(): void {
    this.server.close();
    this.cut();
  }

  private carry(from: Socket, to: Socket): void {
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      one.setNoDelay(true);
      this.open.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.open.delete(one);
        other.destroy();
      });
    }
    from.pipe(to);
    to.on('data', (chunk) => this.answer(from, chunk));
    to.on('end', () => from.end());
  }

  private answer(from: Socket, chunk: Buffer): void {
    const deliver = (): void => {
      if (!from.destroyed) from.write(chunk);
    };
    if (this.answers.kind === 'pass') return deliver();
    this.kept += chunk.length;
    if (this.answers.kind === 'withhold') return;
    const timer = setTimeout(() => {
      if (from.destroyed) return;
      this.kept -= chunk.length;
      deliver();
    }, this.answers.ms);
    timer.unref();
  }
}

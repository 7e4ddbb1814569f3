import { createServer, connect, type Server } from 'node:net';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Base } from './namespace.js';
import { firstLine, start } from './processes.js';

/**
 * The hosts' way to the platform: TCP on the switch's addresses, through a unix socket (which no network namespace
 * confines), to the platform's loopback ports. The same for root and for ordinary users, and nothing of the lab shows up
 * in the machine's own network. TLS runs through it end to end.
 */
export class Relay {
  private constructor(
    private readonly servers: readonly Server[],
    readonly child: ChildProcess,
  ) {}

  static async open(base: Base, ports: readonly number[], root: string): Promise<Relay> {
    const servers = await Promise.all(ports.map((port) => outer(`${base.dir}/relay-${port}.sock`, port)));
    const inner = join(root, 'dist/apps/lab/src/relay-main.js');
    const pairs = ports.map((port) => `${port}=${base.dir}/relay-${port}.sock`);
    // It dies with the lab's owner, however that ends.
    const argv = ['setpriv', '--pdeathsig', 'KILL', process.execPath, inner, '::', ...pairs];
    const child = start(base.wrap(argv), ['ignore', 'pipe', 'inherit']);
    await firstLine(child, 'the relay to the platform');
    child.unref();
    return new Relay(servers, child);
  }

  close(): void {
    for (const server of this.servers) server.close();
    this.child.kill('SIGKILL');
  }
}

const outer = (path: string, port: number): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer((from) => {
      const to = connect(port, '127.0.0.1');
      from.pipe(to).pipe(from);
      // A platform that is down looks to the host as it is: the connection is reset.
      to.on('error', () => from.destroy());
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      to.on('close', () => from.destroy());
    });
    server.once('error', reject);
    server.listen(path, () => resolve(server));
    server.unref();
  });

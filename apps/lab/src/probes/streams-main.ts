/**
 * Two established TCP connections to a virtual IP: one on which the client asks and is echoed, one on which the server only
 * pushes. `serve PORT` on the holders, `follow ADDRESS PORT` on the client, which says on SIGINT when it last heard each.
 */
import { connect, createServer, type Socket } from 'node:net';

const EVERY_MS = 5;
const ECHO = 'e';
const PUSH = 'p';

const serve = (port: number): void => {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', (first) => {
      if (first.toString()[0] === ECHO) return void socket.on('data', (bytes) => socket.write(bytes));
      const timer = setInterval(() => socket.write('.'), EVERY_MS);
      socket.once('close', () => clearInterval(timer));
    });
  });
  server.listen(port, '::', () => process.stdout.write('ready\n'));
};

const last = { echo: 0, push: 0 };

const open = (address: string, port: number, kind: 'echo' | 'push'): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: address, port }, () => {
      socket.setNoDelay(true);
      socket.write(kind === 'echo' ? ECHO : PUSH);
      if (kind === 'echo') setInterval(() => socket.write('.'), EVERY_MS).unref();
    });
    socket.on('data', () => {
      last[kind] = Date.now();
      resolve(socket);
    });
    socket.once('error', reject);
  });

const follow = async (address: string, port: number): Promise<void> => {
  const sockets = await Promise.all([open(address, port, 'echo'), open(address, port, 'push')]);
  process.stdout.write('ready\n');
  process.once('SIGINT', () => {
    process.stdout.write(`${JSON.stringify(last)}\n`, () => process.exit(0));
    for (const socket of sockets) socket.destroy();
  });
};

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'serve') serve(Number(rest[0]));
else await follow(rest[0]!, Number(rest[1]));

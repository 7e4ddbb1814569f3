import { connect, createServer } from 'node:net';

/** Runs in the switch's namespace: `relay-main ADDRESS PORT=SOCKET…`. */
const [address, ...pairs] = process.argv.slice(2);
let listening = 0;
for (const pair of pairs) {
  const at = pair.indexOf('=');
  const socketPath = pair.slice(at + 1);
  const server = createServer((from) => {
    from.setNoDelay(true);
    const to = connect(socketPath);
    from.pipe(to).pipe(from);
    to.on('error', () => from.destroy());
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
    to.on('close', () => from.destroy());
  });
  server.listen(Number(pair.slice(0, at)), address, () => {
    if (++listening === pairs.length) process.stdout.write('ready\n');
  });
}

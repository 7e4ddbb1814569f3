import { createInterface } from 'node:readline';
import { errorMessage } from '#kernel';
import { startEmbeddedPostgres } from '../launcher.js';

/**
 * A stand-in for a platform process: starts the embedded Postgres in argv[2], says so in one line of JSON, and stops it
 * cleanly when told `stop`. Everything else (kill -9 above all) is up to the test.
 */
const main = async (): Promise<void> => {
  const server = await startEmbeddedPostgres({ dataDir: process.argv[2]! });
  process.stdout.write(
    `${JSON.stringify({ origin: server.origin, connection: server.connection, pid: await server.pid() })}\n`,
  );
  for await (const line of createInterface({ input: process.stdin })) {
    if (line !== 'stop') continue;
    await server.stop();
    process.stdout.write('stopped\n');
    process.exit(0);
  }
};

main().catch((error: unknown) => {
  process.stdout.write(`${JSON.stringify({ error: errorMessage(error) })}\n`);
  process.exit(1);
});

#!/usr/bin/env node
// npm run test:kurrentdb: the event store's contract suite against a real KurrentDB or EventStoreDB. Needs KURRENTDB_URL and
// nothing else. Everything is written to streams `drover_test_<run>_<n>.…`, so that it may share a server; it removes nothing.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const say = (text) => process.stderr.write(`${text}\n`);

if (!process.env.KURRENTDB_URL) {
  say('KURRENTDB_URL is not set: it names the server to test against, for example');
  say("  KURRENTDB_URL='kurrentdb://admin:changeit@localhost:2113?tlsCaFile=ca.pem' npm run test:kurrentdb");
  say(
    "  KURRENTDB_URL='kurrentdb://localhost:2113?tls=false' npm run test:kurrentdb      (a server started with --insecure)",
  );
  process.exit(2);
}
if (!existsSync(join(root, 'node_modules/@kurrent/kurrentdb-client'))) {
  say('@kurrent/kurrentdb-client is not installed: run npm ci without --omit=optional');
  process.exit(2);
}
const jest = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
const files = [
  '--testTimeout',
  '120000',
  '--testMatch',
  '<rootDir>/libs/event-store/src/adapters/kurrentdb/testing/real-server.ts',
];
const run = spawnSync(process.execPath, [...jest, '--forceExit', ...files, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(run.status ?? 1);

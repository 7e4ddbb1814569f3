// The stand-in as a process: node dist/test/doubles/kurrentdb/main.js --port 2113 --file /tmp/log.jsonl
// With --file it may be killed at any moment and started again. It has no TLS and no users.
import { parseArgs } from 'node:util';
import { FakeKurrent } from './server.js';

/** A real server writes of its own, too: positions move and $all grows while nobody appends. */
const STATISTICS_MS = 500;

const { values } = parseArgs({ options: { port: { type: 'string' }, file: { type: 'string' } } });
const fake = await FakeKurrent.start({
  port: Number(values.port ?? 0),
  ...(values.file === undefined ? {} : { file: values.file }),
  maxAppendBytes: 4 * 1024 * 1024,
});
setInterval(() => fake.systemEvent(), STATISTICS_MS);
process.on('SIGTERM', () => void fake.stop().then(() => process.exit(0)));
process.stdout.write(`KurrentDB stand-in at ${fake.url}\n`);

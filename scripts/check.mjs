#!/usr/bin/env node
// `npm run check`: its parts two at a time, told one after the other; what fails hides nothing of the others.
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Written before anything looks at it. */
const FIRST = 'types:rest-client';
/** The longest first, so that none of them is alone in the end. */
const PARTS = ['types:compiler', 'lint', 'format', 'boundaries', 'generated'];
const AT_ONCE = 2;

const run = (part) =>
  new Promise((resolve) => {
    const started = performance.now();
    const child = spawn('npm', ['run', '-s', part], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
    child.once('error', (error) => resolve({ part, ok: false, ms: 0, said: `${error.message}\n` }));
    child.once('close', (code, signal) => {
      const ended = signal === null ? '' : `ended by ${signal}\n`;
      resolve({ part, ok: code === 0, ms: performance.now() - started, said: said + ended });
    });
  });

const failed = [];
const tell = ({ part, ok, ms, said }) => {
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${part} (${(ms / 1_000).toFixed(1)} s)`);
  process.stdout.write(said);
  if (!ok) failed.push(part);
};

tell(await run(FIRST));
const left = [...PARTS];
const results = new Map();
/** In the order of the list, whichever is ready first. */
const tellReady = () => {
  for (const part of PARTS) {
    if (!results.has(part)) return;
    const result = results.get(part);
    if (result !== 'told') tell(result);
    results.set(part, 'told');
  }
};
const lane = async () => {
  for (let part = left.shift(); part !== undefined; part = left.shift()) {
    results.set(part, await run(part));
    tellReady();
  }
};
await Promise.all(Array.from({ length: AT_ONCE }, lane));
if (failed.length > 0) {
  console.error(`npm run check: ${failed.join(', ')} failed`);
  process.exitCode = 1;
}

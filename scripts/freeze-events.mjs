#!/usr/bin/env node
// Freezes each event type and version that has no fixture in test/fixtures/events yet: `npm run freeze:events`.
// Never writes a file that is there: what stands in logs stays readable, or the tests say why not.
import { mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
// Inside the repository, so that what stays outside the bundle is found in its node_modules.
const dir = mkdtempSync(join(root, 'node_modules/.drover-freeze-'));
try {
  const outfile = join(dir, 'freeze.mjs');
  await build({
    stdin: {
      contents: `export { freeze } from './test/evolution/support/fixtures.js';
        export { platformEvents } from './apps/platform/src/events.js';`,
      resolveDir: root,
      loader: 'ts',
    },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'warning',
    tsconfig: join(root, 'tsconfig.json'),
    plugins: [
      {
        name: 'inner imports',
        setup: (b) =>
          b.onResolve({ filter: /^#/ }, ({ path }) =>
            path === '#proto'
              ? { path: join(root, 'proto/index.ts') }
              : { path: join(root, `libs/${path.slice(1)}/src/index.ts`) },
          ),
      },
    ],
  });
  const { freeze, platformEvents } = await import(pathToFileURL(outfile).href);
  const made = freeze(platformEvents, join(root, 'test/fixtures/events'));
  console.log(made.length === 0 ? 'every event type and version is frozen already' : `frozen:\n  ${made.join('\n  ')}`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}

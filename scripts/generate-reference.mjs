#!/usr/bin/env node
// Writes docs/reference/{tools,permissions,events,settings}.md from the definitions in the sources: `npm run reference`.
// With --out DIR they go there (check-generated.mjs compares). Reads the TypeScript, so no build is needed first.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { eventsPage } from './reference/events.mjs';
import { permissionsPage } from './reference/permissions.mjs';
import { settingsPage } from './reference/settings.mjs';
import { listedTools, toolsPage } from './reference/tools.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const CONTEXTS_WITH_TOOLS = ['fleet', 'sdwan', 'kubernetes', 'docker', 'audit', 'consumers', 'tools'];
const at = process.argv.indexOf('--out');
const out = at < 0 ? join(root, 'docs/reference') : process.argv[at + 1];

const ENTRY = [
  ...CONTEXTS_WITH_TOOLS.map((name) => `export * as ${name}Tools from './libs/${name}/src/tools/definitions.js';`),
  `export { toolListing } from './libs/tools/src/tool-schema.js';`,
  `export { settingsSchema } from './libs/kernel/src/config.js';`,
  `export { PERMISSIONS } from './libs/access/src/domain/permissions.js';`,
  `export { accessEvents } from './libs/access/src/domain/events.js';`,
  `export { fleetEvents } from './libs/fleet/src/domain/events.js';`,
  `export { sdwanEvents } from './libs/sdwan/src/domain/events.js';`,
  `export { consumerEvents } from './libs/consumers/src/domain/webhook/events.js';`,
  `export { toolEvents } from './libs/tools/src/approvals/events.js';`,
  `export { dockerEvents } from './libs/docker/src/domain/events.js';`,
  `export { kubernetesEvents } from './libs/kubernetes/src/domain/events.js';`,
  `export { z } from 'zod';`,
].join('\n');

/** The definitions and nothing else: a tool's file asks `#tools` for defineTool only, so the rest is shaken out. */
const load = async () => {
  // Inside the repository, so that what stays outside the bundle is found in its node_modules.
  const dir = mkdtempSync(join(root, 'node_modules/.drover-reference-'));
  try {
    const outfile = join(dir, 'definitions.mjs');
    await build({
      stdin: { contents: ENTRY, resolveDir: root, loader: 'ts' },
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      logLevel: 'warning',
      tsconfig: join(root, 'tsconfig.json'),
      plugins: [lean],
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

/** `#tools` brings the registry and Nest with it; a definition needs one file of it. */
const lean = {
  name: 'lean',
  setup(b) {
    b.onResolve({ filter: /^#tools$/ }, () => ({ path: join(root, 'libs/tools/src/definitions-only.ts') }));
    b.onResolve({ filter: /^#/ }, ({ path }) => ({ path: join(root, `libs/${path.slice(1)}/src/index.ts`) }));
  },
};

const definitions = await load();
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'tools.md'), toolsPage(definitions, CONTEXTS_WITH_TOOLS));
const tools = listedTools(definitions, CONTEXTS_WITH_TOOLS);
writeFileSync(join(out, 'permissions.md'), permissionsPage(definitions.PERMISSIONS, tools));
writeFileSync(join(out, 'events.md'), eventsPage(definitions));
writeFileSync(join(out, 'settings.md'), settingsPage(definitions));

// The definitions of tools, events and settings, read from the TypeScript sources: no build is needed first.
import { mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** `#tools` brings the registry and Nest with it; a definition needs one file of it. */
const lean = {
  name: 'lean',
  setup(b) {
    b.onResolve({ filter: /^#tools$/ }, () => ({ path: join(root, 'libs/tools/src/definitions-only.ts') }));
    b.onResolve({ filter: /^#/ }, ({ path }) => ({ path: join(root, `libs/${path.slice(1)}/src/index.ts`) }));
  },
};

/** What the lines of `entry` export. A tool's file asks `#tools` for defineTool only, so the rest is shaken out. */
export const loadDefinitions = async (entry) => {
  // Inside the repository, so that what stays outside the bundle is found in its node_modules.
  const dir = mkdtempSync(join(root, 'node_modules/.drover-reference-'));
  try {
    const outfile = join(dir, 'definitions.mjs');
    await build({
      stdin: { contents: entry.join('\n'), resolveDir: root, loader: 'ts' },
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

/** Where the definitions of tools lie: each context's own, and those of audit, which lie beside what they do. */
const DEFINITIONS = {
  ...Object.fromEntries(
    ['fleet', 'sdwan', 'kubernetes', 'docker', 'audit', 'consumers', 'tools'].map((name) => [
      name,
      `${name}/src/tools/definitions.js`,
    ]),
  ),
  auditLog: 'audit/src/tools/audit-definitions.js',
  masterKey: 'audit/src/tools/rotate-master-key.js',
  projections: 'audit/src/projections/definitions.js',
  explain: 'audit/src/time-travel/explain/definition.js',
  past: 'audit/src/time-travel/fleet-state-definition.js',
  whatIf: 'audit/src/time-travel/what-if/definition.js',
};
export const CONTEXTS_WITH_TOOLS = Object.keys(DEFINITIONS);
export const TOOL_ENTRY = [
  ...Object.entries(DEFINITIONS).map(([name, file]) => `export * as ${name}Tools from './libs/${file}';`),
  `export { toolListing } from './libs/tools/src/tool-schema.js';`,
];

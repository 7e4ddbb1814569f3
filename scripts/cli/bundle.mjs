// The CLI as one CommonJS file: what a command does not need stays unevaluated behind its dynamic import.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Sources refer to each other as .js; nothing in them does anything by being imported. */
const sources = {
  name: 'sources',
  setup(b) {
    b.onResolve({ filter: /^\..*\.js$/ }, (args) => {
      const ts = join(args.resolveDir, args.path.replace(/\.js$/, '.ts'));
      return args.importer.endsWith('.ts') && existsSync(ts) ? { path: ts, sideEffects: false } : undefined;
    });
  },
};

export const bundleCli = (root, outfile) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return build({
    stdin: {
      contents: "import { main } from './apps/cli/src/main.ts';\nmain(process.argv.slice(2));\n",
      resolveDir: root,
      loader: 'ts',
    },
    outfile,
    bundle: true,
    minify: true,
    keepNames: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    // What lies beside a source file in a checkout lies nowhere here: version and pages are carried, the lab is refused.
    banner: { js: "const __moduleUrl = require('node:url').pathToFileURL(process.execPath).href;" },
    define: { DROVER_VERSION: JSON.stringify(version), 'import.meta.url': '__moduleUrl' },
    plugins: [sources],
    logLevel: 'warning',
  });
};

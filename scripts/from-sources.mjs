import { mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * What the lines of `entry` export, read from the TypeScript sources: no build is needed first. `instead`: the file of a library
 * to take for its index, by its inner name.
 */
export const fromSources = async (entry, instead = {}) => {
  const files = { '#proto': 'proto/index.ts', ...instead };
  const fileOf = ({ path }) => ({ path: join(root, files[path] ?? `libs/${path.slice(1)}/src/index.ts`) });
  // Inside the repository, so that what stays outside the bundle is found in its node_modules.
  const dir = mkdtempSync(join(root, 'node_modules/.drover-sources-'));
  try {
    const outfile = join(dir, 'sources.mjs');
    await build({
      stdin: { contents: entry.join('\n'), resolveDir: root, loader: 'ts' },
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      logLevel: 'warning',
      tsconfig: join(root, 'tsconfig.json'),
      plugins: [{ name: 'inner imports', setup: (b) => b.onResolve({ filter: /^#/ }, fileOf) }],
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface StartedAs {
  readonly env: Readonly<Record<string, string>>;
  readonly flags: readonly string[];
}

/** Of a command line `NAME=value ... node --flag ... path/to/platform/src/main.js`. */
export const startedAsOf = (commandLine: string): StartedAs => {
  const words = commandLine.trim().split(/\s+/);
  const node = words.findIndex((word) => word === 'node' || word.endsWith('/node'));
  if (node < 0 || !words.at(-1)!.endsWith('platform/src/main.js'))
    throw new Error(`this does not start the platform: ${commandLine}`);
  const env = Object.fromEntries(words.slice(0, node).map((word) => word.split('=') as [string, string]));
  return { env, flags: words.slice(node + 1, -1) };
};

/**
 * Environment and flags of `npm start`, the one place where they are written down. Whoever starts a platform from the sources
 * takes them from here; a test holds the unit and the image, which run without npm, to the same.
 */
export const startedAs = (root: string): StartedAs => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { start: string } };
  return startedAsOf(scripts.start.split('&&').at(-1)!);
};

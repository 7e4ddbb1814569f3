import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Runbook } from '#tools';
import { ROOT } from '../version.js';

const read = async (): Promise<Runbook[]> => {
  const folder = join(ROOT, 'docs/runbooks');
  // A build may come without its documents; then there are none to show.
  const files = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return Promise.all(
    files
      .filter((file) => /^[a-z0-9-]+\.md$/.test(file))
      .sort()
      .map(async (file) => {
        const text = await readFile(join(folder, file), 'utf8');
        const name = file.slice(0, -'.md'.length);
        return { name, title: /^# (.+)$/m.exec(text)?.[1] ?? name, text };
      }),
  );
};

let runbooks: Promise<readonly Runbook[]> | undefined;

/** docs/runbooks, read once: they are part of the release. */
export const readRunbooks = (): Promise<readonly Runbook[]> => (runbooks ??= read());

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../../apps/platform/src/version.js';

/** The commands of one section of a runbook, block by block, as they are written: ```sh only. */
export const commandsOf = (runbook: string, heading: string): string[] => {
  const text = readFileSync(join(ROOT, 'docs/runbooks', runbook), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`));
  const blocks = [...(section ?? '').matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, commands]) => commands!);
  if (blocks.length === 0) throw new Error(`${runbook} has no commands under "${heading}"`);
  return blocks;
};

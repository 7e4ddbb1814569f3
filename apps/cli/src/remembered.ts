import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from './settings.js';
import type { Tool } from './tool.js';

/** Where the tools of one platform for one token are remembered. */
export const toolsFile = ({ url, token }: Settings): string => {
  const key = createHash('sha256').update(`${url}|${token}`).digest('hex').slice(0, 16);
  return join(homedir(), '.cache', 'drover', `tools-${key}.json`);
};

/** undefined when nothing is remembered, or what is there is broken: then the platform is asked. */
export const remembered = (file: string): readonly Tool[] | undefined => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as readonly Tool[];
  } catch {
    return undefined;
  }
};

import { readFileSync } from 'node:fs';

/** Read only when asked for: start-up time is the CLI's first feature. */
export const version = (): string => {
  const manifest = new URL('../../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
};

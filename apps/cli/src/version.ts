import { readFileSync } from 'node:fs';

/** Written in by scripts/build-cli.mjs: one file has no package.json beside it. */
declare const DROVER_VERSION: string | undefined;

/** Read only when asked for: start-up time is the CLI's first feature. */
export const version = (): string => {
  if (typeof DROVER_VERSION === 'string') return DROVER_VERSION;
  const manifest = new URL('../../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
};

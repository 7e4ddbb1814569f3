import { SecretFile } from '../vpn-file.js';
import type { Thing } from './live.js';

/** The place of a grant's URL is taken before there is one: it is told once. */
export const placeOf = (secretTo: string | undefined): SecretFile | undefined =>
  secretTo === undefined ? undefined : new SecretFile(secretTo, false, 'name another file in write_url_to');

/** There is none while the grant waits for an approval. */
export const keepSecret = (place: SecretFile | undefined, data: Thing): void => {
  if (typeof data.bootstrap_url === 'string') place?.write(`${data.bootstrap_url}\n`);
  else place?.discard();
};

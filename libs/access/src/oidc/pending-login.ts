import { z } from 'zod';
import type { Random } from '#kernel';
import { Sealer } from './sealer.js';

const pending = z.object({
  id: z.string(),
  nonce: z.string(),
  state: z.string(),
  redirect_uri: z.string(),
  code_challenge: z.string(),
  until_ms: z.number(),
});
export type PendingLogin = z.output<typeof pending>;

/**
 * A login between its two calls. It travels sealed with who logs in, so that any process of the platform can end it and nobody
 * makes the platform remember anything by beginning logins.
 */
export const pendingLogins = (key: Uint8Array, random: Pick<Random, 'bytes'>): Sealer<PendingLogin> =>
  new Sealer(pending, key, random);

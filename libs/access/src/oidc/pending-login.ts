import { createCipheriv, createDecipheriv } from 'node:crypto';
import { z } from 'zod';
import type { Random } from '#kernel';

const pending = z.object({
  id: z.string(),
  nonce: z.string(),
  state: z.string(),
  redirect_uri: z.string(),
  code_challenge: z.string(),
  until_ms: z.number(),
});
export type PendingLogin = z.output<typeof pending>;

const IV = 12;
const TAG = 16;

/**
 * A login between its two calls. It travels sealed with who logs in, so that any process of the platform can end it and nobody
 * makes the platform remember anything by beginning logins.
 */
export class PendingLogins {
  constructor(
    /** 32 secret bytes, the same on every platform process. */
    private readonly key: Uint8Array,
    private readonly random: Pick<Random, 'bytes'>,
  ) {}

  seal(login: PendingLogin): string {
    const iv = this.random.bytes(IV);
    const cipher = createCipheriv('aes-256-gcm', this.key, iv);
    const sealed = Buffer.concat([cipher.update(JSON.stringify(login)), cipher.final()]);
    return Buffer.concat([iv, sealed, cipher.getAuthTag()]).toString('base64url');
  }

  /** Undefined for what no process of this platform has sealed. */
  open(text: string): PendingLogin | undefined {
    const bytes = Buffer.from(text, 'base64url');
    if (bytes.length <= IV + TAG) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.key, bytes.subarray(0, IV), { authTagLength: TAG });
    decipher.setAuthTag(bytes.subarray(-TAG));
    try {
      const opened = Buffer.concat([decipher.update(bytes.subarray(IV, -TAG)), decipher.final()]);
      return pending.parse(JSON.parse(opened.toString('utf8')));
    } catch {
      return undefined;
    }
  }
}

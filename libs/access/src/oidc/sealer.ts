import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { z } from 'zod';
import type { Random } from '#kernel';

const IV = 12;
const TAG = 16;

/** What the platform gives away and wants back unread and unchanged, instead of remembering it. */
export class Sealer<T> {
  constructor(
    private readonly shape: z.ZodType<T>,
    /** 32 secret bytes, the same on every platform process. */
    private readonly key: Uint8Array,
    private readonly random: Pick<Random, 'bytes'>,
  ) {}

  seal(value: T): string {
    const iv = this.random.bytes(IV);
    const cipher = createCipheriv('aes-256-gcm', this.key, iv);
    const sealed = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()]);
    return Buffer.concat([iv, sealed, cipher.getAuthTag()]).toString('base64url');
  }

  /** Undefined for what no process of this platform has sealed. */
  open(text: string): T | undefined {
    const bytes = Buffer.from(text, 'base64url');
    if (bytes.length <= IV + TAG) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.key, bytes.subarray(0, IV), { authTagLength: TAG });
    decipher.setAuthTag(bytes.subarray(-TAG));
    try {
      const opened = Buffer.concat([decipher.update(bytes.subarray(IV, -TAG)), decipher.final()]);
      return this.shape.parse(JSON.parse(opened.toString('utf8')));
    } catch {
      return undefined;
    }
  }
}

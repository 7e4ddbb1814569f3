import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Random } from '#kernel';

const NONCE = 12;
const TAG = 16;

/** AES-256-GCM; the result is nonce ‖ tag ‖ ciphertext. `bound` is authenticated: opening under any other value fails. */
export const seal = (
  key: Uint8Array,
  plaintext: Uint8Array,
  bound: string,
  random: Pick<Random, 'bytes'>,
): Uint8Array => {
  const nonce = random.bytes(NONCE);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG });
  cipher.setAAD(Buffer.from(bound));
  const body = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
};

/** Throws when the key, the bound value or any byte differs from what was sealed. */
export const unseal = (key: Uint8Array, sealed: Uint8Array, bound: string): Buffer => {
  if (sealed.length < NONCE + TAG) throw new Error('sealed secret is too short');
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE), { authTagLength: TAG });
  decipher.setAAD(Buffer.from(bound));
  decipher.setAuthTag(sealed.subarray(NONCE, NONCE + TAG));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE + TAG)), decipher.final()]);
};

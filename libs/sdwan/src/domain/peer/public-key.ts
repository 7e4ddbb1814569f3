import { refusal } from '#kernel';

/** 32 bytes in base64, and not the all-zero point. */
export const isPublicKey = (text: string): boolean =>
  /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text) && !/^A{43}=$/.test(text);

export const badKey = (field: string) =>
  refusal(400, 'public_key_invalid', 'not a WireGuard public key', {
    field,
    hint: '32 bytes in base64, 44 characters, as `wg pubkey` prints it',
  });

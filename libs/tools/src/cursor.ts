import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { refusal, RefusedError } from '#kernel';
import { position, type Position } from '#event-store';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NO_SALT = new Uint8Array();

/**
 * Positions as the outside sees them: encrypted and bound to the account, because the plain number would tell how much all
 * other accounts write. The nonce is derived from what is encrypted (as in SIV), so a repeated call gives the same cursor.
 */
export class CursorCodec {
  private readonly nonceKey: Buffer;
  private readonly cipherKey: Buffer;

  /** `key`: 32 secret bytes, the same on every platform process and after every restart. */
  constructor(key: Uint8Array) {
    if (key.length < 32) throw new Error('the cursor key needs 32 bytes');
    this.nonceKey = createHmac('sha256', key).update('drover cursor nonce').digest();
    this.cipherKey = createHmac('sha256', key).update('drover cursor cipher').digest();
  }

  /** With `salt`, each cursor of the same position looks different: a change then does not tell that others wrote. */
  encode(accountId: string, at: Position, salt: Uint8Array = NO_SALT): string {
    const plain = Buffer.alloc(8);
    plain.writeBigUInt64BE(at);
    const nonce = createHmac('sha256', this.nonceKey).update(accountId).update('|').update(plain).update(salt).digest();
    const cipher = createCipheriv('aes-256-gcm', this.cipherKey, nonce.subarray(0, NONCE_BYTES));
    cipher.setAAD(Buffer.from(accountId));
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([nonce.subarray(0, NONCE_BYTES), body, cipher.getAuthTag()]).toString('base64url');
  }

  /** Throws RefusedError (400) for anything that this account was not given. */
  decode(accountId: string, cursor: string, field = 'after'): Position {
    const bytes = Buffer.from(cursor, 'base64url');
    if (bytes.length !== NONCE_BYTES + 8 + TAG_BYTES) throw invalidCursor(field);
    const decipher = createDecipheriv('aes-256-gcm', this.cipherKey, bytes.subarray(0, NONCE_BYTES));
    decipher.setAAD(Buffer.from(accountId));
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES + 8));
    try {
      const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, NONCE_BYTES + 8)), decipher.final()]);
      return position(plain.readBigUInt64BE());
    } catch {
      throw invalidCursor(field);
    }
  }
}

const invalidCursor = (field: string): RefusedError =>
  new RefusedError(
    refusal(400, 'invalid_cursor', `${field}: not a cursor that this account was given`, {
      field,
      hint: 'use a next_cursor or position from an earlier answer as it stands',
    }),
  );

export const CURSOR_CODEC = Symbol('CursorCodec');

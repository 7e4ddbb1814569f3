import { timingSafeEqual } from 'node:crypto';
import { sha256Hex, uuidOf, type OperatorId, type Random } from '#kernel';

/**
 * An operator's bearer token: `drv_<token id>_<secret>`. The token id holds the operator's uuid, so that the operator's
 * stream can be read without an index; the secret has 256 bits, so that one sha256 suffices as its digest.
 */
const FORMAT =
  /^drv_(([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})[0-9a-f]{8})_[A-Za-z0-9_-]{43}$/;

export interface MintedToken {
  readonly token: string;
  readonly tokenId: string;
  /** Hex sha256 of the token; the only form in which it is stored. */
  readonly digest: string;
}

/** With a `seed` (of a call that may be repeated) the id is the same each time; the secret never is. */
export const mintOperatorToken = (
  operatorId: OperatorId,
  random: Pick<Random, 'bytes'>,
  seed?: string,
): MintedToken => {
  const own = seed === undefined ? Buffer.from(random.bytes(4)).toString('hex') : sha256Hex(seed).slice(0, 8);
  const tokenId = uuidOf(operatorId).replaceAll('-', '') + own;
  const token = `drv_${tokenId}_${Buffer.from(random.bytes(32)).toString('base64url')}`;
  return { token, tokenId, digest: sha256Hex(token) };
};

export interface ParsedOperatorToken {
  readonly tokenId: string;
  readonly operatorId: OperatorId;
  readonly digest: string;
}

/** Undefined when it cannot be a token of this platform. */
export const parseOperatorToken = (token: string): ParsedOperatorToken | undefined => {
  const match = FORMAT.exec(token);
  if (match === null) return undefined;
  const [, tokenId, ...uuid] = match as unknown as [string, string, string, string, string, string, string];
  return { tokenId, operatorId: `operator-${uuid.join('-')}`, digest: sha256Hex(token) };
};

/** Compares two hex digests in a time that tells nothing about where they differ. */
export const sameDigest = (a: string, b: string): boolean => {
  const left = Buffer.from(a, 'hex');
  const right = Buffer.from(b, 'hex');
  return left.length === 32 && right.length === 32 && timingSafeEqual(left, right);
};

import { sha256Hex, uuidOf, type Config, type Random } from '#kernel';

const SHAPE = /^dg_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

/** Single-use bootstrap token: it names its grant, so that redeeming needs no search, and 256 bits prove it. */
export const grantToken = (grantId: string, random: Pick<Random, 'bytes'>): string =>
  `dg_${uuidOf(grantId)}_${Buffer.from(random.bytes(32)).toString('base64url')}`;

export const grantIdOf = (token: string): `access_grant-${string}` | undefined => {
  const uuid = SHAPE.exec(token)?.[1];
  return uuid === undefined ? undefined : `access_grant-${uuid}`;
};

/** Known only to who had the bootstrap token; the platform keeps its digest. */
export const deviceToken = (token: string, publicKey: string): string =>
  `dd_${sha256Hex(`device|${token}|${publicKey}`)}`;

/** Where devices and operators reach this platform over HTTP. */
export const publicUrl = (config: Pick<Config, 'DROVER_PUBLIC_URL' | 'DROVER_HTTP_ADDR'>): string =>
  (config.DROVER_PUBLIC_URL ?? `http://${config.DROVER_HTTP_ADDR}`).replace(/\/+$/, '');

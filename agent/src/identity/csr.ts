import { createPublicKey, sign, type KeyObject } from 'node:crypto';

const tlv = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = body.length < 0x100 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};

const SEQUENCE = 0x30;
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');

/**
 * A PKCS #10 request, DER. Written by hand because the platform uses nothing of it but the public key, and a whole
 * X.509 library would cost the agent several MiB of memory for these four fields.
 */
export const certificateRequest = (privateKey: KeyObject, commonName: string): Buffer => {
  const subject = tlv(SEQUENCE, tlv(0x31, tlv(SEQUENCE, COMMON_NAME, tlv(0x0c, Buffer.from(commonName, 'utf8')))));
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const info = tlv(SEQUENCE, Buffer.from([0x02, 0x01, 0x00]), subject, publicKey, Buffer.from([0xa0, 0x00]));
  const signature = sign('sha256', info, privateKey);
  return tlv(SEQUENCE, info, tlv(SEQUENCE, ECDSA_WITH_SHA256), tlv(0x03, Buffer.from([0x00]), signature));
};

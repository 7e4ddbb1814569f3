import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { Random } from '#kernel';
import type { Files } from '../ports.js';

const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');

export const publicKeyOf = (privateKey: string): string => {
  const der = Buffer.concat([PKCS8_X25519, Buffer.from(privateKey, 'base64')]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  return key.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64');
};

/** A clamped Curve25519 private key, as `wg genkey` makes it. */
export const newPrivateKey = (random: Random): string => {
  const bytes = Buffer.from(random.bytes(32));
  bytes[0]! &= 248;
  bytes[31] = (bytes[31]! & 127) | 64;
  return bytes.toString('base64');
};

export const keyToHex = (key: string): string => Buffer.from(key, 'base64').toString('hex');
export const keyToBase64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');

/** The node's key for a network: made here, kept here; only the public half is ever sent. */
export const loadOrMakeKey = async (files: Files, path: string, random: Random): Promise<string> => {
  const bytes = await files.read(path);
  const text = bytes?.toString('utf8').trim();
  if (text !== undefined && Buffer.from(text, 'base64').length === 32) return text;
  const key = newPrivateKey(random);
  await files.write(path, `${key}\n`, 0o600);
  return key;
};

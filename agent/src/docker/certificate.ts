import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { certificateRequest } from '../identity/csr.js';

export const newKeyPem = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

export const requestPem = (keyPem: string, commonName: string): string => {
  const der = certificateRequest(createPrivateKey(keyPem), commonName).toString('base64');
  const lines = der.match(/.{1,64}/g)?.join('\n') ?? '';
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines}\n-----END CERTIFICATE REQUEST-----\n`;
};

/** The first certificate of a PEM text; undefined when there is none. */
export const certificateOf = (pem: string): X509Certificate | undefined => {
  try {
    return pem === '' ? undefined : new X509Certificate(pem);
  } catch {
    // Damaged: it is asked for anew.
    return undefined;
  }
};

/** Whether it is for this very key and address. */
export const serves = (certificate: X509Certificate, keyPem: string, address: string): boolean =>
  certificate.checkIP(address) !== undefined && certificate.publicKey.equals(createPublicKey(createPrivateKey(keyPem)));

/** A third of its life is left, or less. */
export const endsSoon = (certificate: X509Certificate, nowMs: number): boolean => {
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  return nowMs > to - (to - from) / 3;
};

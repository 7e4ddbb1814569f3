import 'reflect-metadata';
import { createPublicKey, generateKeyPairSync, webcrypto } from 'node:crypto';
import { Pkcs10CertificateRequest, cryptoProvider } from '@peculiar/x509';
import { certificateRequest } from './csr.js';

describe('a certificate request', () => {
  it.each(['node-1', 'n'.repeat(200)])('is read and verified by an independent library (name %s)', async (name) => {
    cryptoProvider.set(webcrypto as unknown as Parameters<typeof cryptoProvider.set>[0]);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const request = new Pkcs10CertificateRequest(new Uint8Array(certificateRequest(privateKey, name)));
    expect(await request.verify()).toBe(true);
    expect(request.subject).toBe(`CN=${name}`);
    const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
    expect(Buffer.from(request.publicKey.rawData).equals(spki)).toBe(true);
  });
});

import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { sha256Hex } from '#kernel';

type Keys = webcrypto.CryptoKeyPair;
const crypto = webcrypto as unknown as NonNullable<Parameters<typeof x509.cryptoProvider.set>[0]> & typeof webcrypto;
x509.cryptoProvider.set(crypto);
const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface TestCa {
  readonly der: Buffer;
  readonly pem: string;
  readonly pin: string;
  server(): Promise<{ cert: Buffer; key: Buffer }>;
  /** Signs the public key of a request, as the platform does. */
  client(csrDer: Uint8Array, instanceId: string, lifeMs?: number): Promise<Buffer>;
}

const day = 86_400_000;
const serial = () => Buffer.from(webcrypto.getRandomValues(new Uint8Array(8))).toString('hex');
const window = (lifeMs: number) => {
  const now = performance.timeOrigin + performance.now();
  return { notBefore: new Date(now - 1_000), notAfter: new Date(now + lifeMs) };
};

export const makeTestCa = async (): Promise<TestCa> => {
  const keys = (await crypto.subtle.generateKey(EC, true, ['sign', 'verify'])) as Keys;
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=test CA',
    keys,
    signingAlgorithm: EC,
    ...window(day),
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  });
  const der = Buffer.from(ca.rawData);
  const sign = async (
    publicKey: webcrypto.CryptoKey | x509.PublicKey,
    subject: string,
    sans: x509.JsonGeneralNames,
    lifeMs = day,
  ) =>
    x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject,
      issuer: ca.subject,
      publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: EC,
      ...window(lifeMs),
      extensions: [new x509.SubjectAlternativeNameExtension(sans)],
    });
  return {
    der,
    pem: ca.toString('pem'),
    pin: sha256Hex(der),
    async server() {
      const own = (await crypto.subtle.generateKey(EC, true, ['sign', 'verify'])) as Keys;
      const leaf = await sign(own.publicKey, 'CN=platform', [{ type: 'ip', value: '127.0.0.1' }]);
      const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', own.privateKey)).toString('base64');
      const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/.{64}/g, '$&\n').trimEnd()}\n-----END PRIVATE KEY-----\n`;
      return { cert: Buffer.from(`${leaf.toString('pem')}\n${ca.toString('pem')}\n`), key: Buffer.from(key) };
    },
    async client(csrDer, instanceId, lifeMs) {
      const csr = new x509.Pkcs10CertificateRequest(csrDer as Uint8Array<ArrayBuffer>);
      if (!(await csr.verify(crypto))) throw new Error('the request is not signed by its own key');
      const leaf = await sign(
        csr.publicKey,
        `CN=${instanceId}`,
        [{ type: 'url', value: `drover:instance:${instanceId}` }],
        lifeMs,
      );
      return Buffer.from(leaf.rawData);
    },
  };
};

import 'reflect-metadata';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY = 86_400_000;
/** Real: 365. Fewer make certificates end soon, for tests of their renewal. */
const LEAF_DAYS = Number(process.env['K3S_DOUBLE_CERT_DAYS'] ?? 365);

/** A key and its certificate, both PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

const keyPem = async (key: webcrypto.CryptoKey): Promise<string> =>
  x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
const serial = (): string => `00${randomBytes(15).toString('hex')}`;

export const createCa = async (name: string): Promise<KeyPair> => {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const now = Date.now();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${name}@${Math.floor(now / 1000)}`,
    notBefore: new Date(now - 60_000),
    notAfter: new Date(now + 3650 * DAY),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: `${cert.toString('pem')}\n`, key: `${await keyPem(keys.privateKey)}\n` };
};

export interface LeafRequest {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  readonly dns?: readonly string[];
  readonly ips?: readonly string[];
  readonly usage: 'server' | 'client' | 'peer';
}

export const issue = async (ca: KeyPair, request: LeafRequest): Promise<KeyPair> => {
  const issuer = new x509.X509Certificate(ca.cert);
  const signingKey = await webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decode(ca.key)[0]!, ALGORITHM, false, [
    'sign',
  ]);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const usages = {
    server: [x509.ExtendedKeyUsage.serverAuth],
    client: [x509.ExtendedKeyUsage.clientAuth],
    peer: [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth],
  }[request.usage];
  const names: { type: 'dns' | 'ip'; value: string }[] = [
    ...(request.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(request.ips ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    issuer: issuer.subjectName,
    subject: new x509.Name([
      ...(request.organizations ?? []).map((value) => ({ O: [value] })),
      { CN: [request.commonName] },
    ]),
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + LEAF_DAYS * DAY),
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension(usages),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return { cert: `${cert.toString('pem')}\n`, key: `${await keyPem(keys.privateKey)}\n` };
};

/** The `K10<hash>` part of a token: sha256 of the CA file's bytes, as served at /cacerts. */
export const caHash = (pem: string): string => createHash('sha256').update(pem).digest('hex');

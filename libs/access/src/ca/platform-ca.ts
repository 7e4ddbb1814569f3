import 'reflect-metadata';
import { createPrivateKey, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { sha256Hex, type Clock, type Random } from '#kernel';
import type { CertificateAuthority, IssuedCertificate } from '../ports.js';
import { createOnce } from '../private-files.js';
import { readCsr } from './csr.js';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
/** Clocks of nodes may be a little behind. */
const BACKDATE_MS = 5 * 60_000;
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
export const AGENT_URN = 'urn:drover:instance:';

export interface PlatformCaOptions {
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly random: Pick<Random, 'bytes'>;
  /** Holds `ca/ca.key` (PKCS #8 PEM, 0600) and `ca/ca.pem`. */
  readonly dataDir: string;
  /** Life of an agent's certificate in milliseconds: from 24 h to 90 d; 30 d by default. */
  readonly agentLifeMs?: number;
  /** Life of a listener's certificate in milliseconds; 90 d by default. */
  readonly serverLifeMs?: number;
}

/** The platform's certificate authority: one P-256 key on disk, certificates built from its own record only. */
export class PlatformCa implements CertificateAuthority {
  private constructor(
    private readonly options: PlatformCaOptions,
    private readonly key: webcrypto.CryptoKey,
    private readonly certificate: x509.X509Certificate,
  ) {}

  /** Opens the CA of a data directory; makes it at the first start. Of racing starts one makes it and all use the same. */
  static async open(options: PlatformCaOptions): Promise<PlatformCa> {
    const life = options.agentLifeMs ?? 30 * DAY_MS;
    if (life < DAY_MS || life > 90 * DAY_MS) throw new RangeError('agentLifeMs must be between 24 hours and 90 days');
    const pair = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
    const keyPem = await createOnce(join(options.dataDir, 'ca', 'ca.key'), await privatePem(pair.privateKey));
    const key = await importPrivate(keyPem);
    const fresh = await selfSigned(options, { privateKey: key, publicKey: await publicOf(keyPem) });
    const certPem = await createOnce(join(options.dataDir, 'ca', 'ca.pem'), `${fresh.toString('pem')}\n`);
    return new PlatformCa(options, key, new x509.X509Certificate(certPem));
  }

  async readCsr(csrDer: Uint8Array): Promise<{ readonly publicKeyDigest: string }> {
    const { publicKeyDigest } = await readCsr(csrDer);
    return { publicKeyDigest };
  }

  async issueAgentCertificate(instanceId: string, csrDer: Uint8Array): Promise<IssuedCertificate> {
    const { spki, publicKeyDigest } = await readCsr(csrDer);
    const life = this.options.agentLifeMs ?? 30 * DAY_MS;
    const names: x509.JsonGeneralNames = [{ type: 'url', value: `${AGENT_URN}${instanceId}` }];
    const publicKey = new x509.PublicKey(spki);
    const certificate = await this.sign(publicKey, [{ CN: [instanceId] }], names, CLIENT_AUTH, life);
    return {
      certificateDer: new Uint8Array(certificate.rawData),
      serial: certificate.serialNumber,
      publicKeyDigest,
      notAfter: certificate.notAfter.toISOString(),
    };
  }

  async issueServerCertificate(
    names: readonly string[],
  ): Promise<{ readonly certPem: string; readonly keyPem: string }> {
    if (names.length === 0) throw new RangeError('a server certificate needs at least one name');
    const pair = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
    const san = names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value }));
    const life = this.options.serverLifeMs ?? 90 * DAY_MS;
    const certificate = await this.sign(pair.publicKey, [{ CN: ['drover platform'] }], san, SERVER_AUTH, life);
    // The CA goes with it, so that an agent that only has the CA's digest can find it in the chain.
    return { certPem: `${certificate.toString('pem')}\n${this.caPem()}`, keyPem: await privatePem(pair.privateKey) };
  }

  async issueRuntimeCertificate(
    names: readonly string[],
    csrDer: Uint8Array,
    lifeMs: number,
  ): Promise<IssuedCertificate> {
    const { spki, publicKeyDigest } = await readCsr(csrDer);
    const san = names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value }));
    const publicKey = new x509.PublicKey(spki);
    const certificate = await this.sign(publicKey, [{ CN: ['drover runtime'] }], san, SERVER_AUTH, lifeMs);
    return {
      certificateDer: new Uint8Array(certificate.rawData),
      serial: certificate.serialNumber,
      publicKeyDigest,
      notAfter: certificate.notAfter.toISOString(),
    };
  }

  caPem(): string {
    return `${this.certificate.toString('pem')}\n`;
  }

  caDer(): readonly Uint8Array[] {
    return [new Uint8Array(this.certificate.rawData)];
  }

  /** Hex sha256 of the CA certificate's DER: what a join command pins. */
  caDigest(): string {
    return sha256Hex(new Uint8Array(this.certificate.rawData));
  }

  private async sign(
    publicKey: x509.PublicKeyType,
    subject: x509.JsonName,
    names: x509.JsonGeneralNames,
    purpose: string,
    lifeMs: number,
  ): Promise<x509.X509Certificate> {
    const now = this.options.clock.wallMs();
    return x509.X509CertificateGenerator.create({
      serialNumber: serial(this.options.random),
      subject,
      issuer: this.certificate.subjectName.toJSON(),
      notBefore: new Date(now - BACKDATE_MS),
      notAfter: new Date(Math.min(now + lifeMs, this.certificate.notAfter.getTime())),
      signingAlgorithm: P256,
      publicKey,
      signingKey: this.key,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([purpose]),
        new x509.SubjectAlternativeNameExtension(names),
        await x509.AuthorityKeyIdentifierExtension.create(this.certificate.publicKey),
        await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ],
    });
  }
}

/** 16 random bytes, positive and without a leading zero octet, so that every tool prints the same digits. */
const serial = (random: Pick<Random, 'bytes'>): string => {
  const bytes = Buffer.from(random.bytes(16));
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
};

const selfSigned = async (options: PlatformCaOptions, keys: webcrypto.CryptoKeyPair): Promise<x509.X509Certificate> => {
  const now = options.clock.wallMs();
  return x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(options.random),
    name: [{ CN: ['Drover platform CA'] }],
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + 3_650 * DAY_MS),
    signingAlgorithm: P256,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
};

const privatePem = async (key: webcrypto.CryptoKey): Promise<string> =>
  x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY') + '\n';

const importPrivate = (pem: string): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), P256, false, ['sign']);

const publicOf = (pem: string): Promise<webcrypto.CryptoKey> => {
  const { kty, crv, x, y } = createPrivateKey(pem).export({ format: 'jwk' });
  return webcrypto.subtle.importKey('jwk', { kty, crv, x, y }, P256, true, ['verify']);
};

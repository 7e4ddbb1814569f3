import 'reflect-metadata';
import { createHash, generateKeyPairSync, X509Certificate, webcrypto } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { RefusedError, systemClock, systemRandom } from '#kernel';
import { PlatformCa } from './platform-ca.js';

const INSTANCE = 'instance-00000000-0000-4000-8000-000000000001';
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

const csrWith = async (
  algorithm: object,
  more: Partial<x509.Pkcs10CertificateRequestCreateParams> = {},
): Promise<Uint8Array> => {
  const keys = (await webcrypto.subtle.generateKey(algorithm as never, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: algorithm as never,
    ...more,
  });
  return new Uint8Array(csr.rawData);
};

describe('the platform CA', () => {
  let dir: string;
  let ca: PlatformCa;
  const open = (dataDir: string) => PlatformCa.open({ clock: systemClock, random: systemRandom, dataDir });
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drover-ca-'));
    ca = await open(dir);
  });
  afterAll(() => rm(dir, { recursive: true }));
  const refusalOf = async (csr: Uint8Array) => {
    const error: unknown = await ca.issueAgentCertificate(INSTANCE, csr).then(
      () => 'issued',
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(RefusedError);
    return (error as RefusedError).refusal;
  };

  it('is made once, with its key readable by its owner only, and is the same after a restart and for racing starts', async () => {
    expect((await stat(join(dir, 'ca', 'ca.key'))).mode & 0o777).toBe(0o600);
    expect((await open(dir)).caPem()).toBe(ca.caPem());
    const other = await mkdtemp(join(tmpdir(), 'drover-ca-'));
    const racers = await Promise.all(Array.from({ length: 8 }, () => open(other)));
    expect(new Set(racers.map((r) => r.caPem())).size).toBe(1);
    const issued = await racers[3]!.issueAgentCertificate(INSTANCE, await csrWith(P256));
    expect(new X509Certificate(issued.certificateDer).verify(new X509Certificate(racers[0]!.caPem()).publicKey)).toBe(
      true,
    );
    await rm(other, { recursive: true });
  });

  it.each([
    ['P-256', P256],
    ['Ed25519', { name: 'Ed25519' }],
  ])('signs %s keys for one instance, client authentication and a bounded life', async (_, algorithm) => {
    const issued = await ca.issueAgentCertificate(INSTANCE, await csrWith(algorithm));
    const certificate = new X509Certificate(issued.certificateDer);
    expect(certificate.subject).toBe(`CN=${INSTANCE}`);
    expect(certificate.subjectAltName).toBe(`URI:urn:drover:instance:${INSTANCE}`);
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(certificate.checkIssued(new X509Certificate(ca.caPem()))).toBe(true);
    expect(certificate.serialNumber.toLowerCase()).toBe(issued.serial);
    expect(certificate.validToDate.getTime() - systemClock.wallMs()).toBeGreaterThan(29 * 86_400_000);
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
    expect(createHash('sha256').update(spki).digest('hex')).toBe(issued.publicKeyDigest);
  });

  it('copies nothing but the public key from a CSR that asks for more', async () => {
    const greedy = await csrWith(P256, {
      name: 'CN=instance-ffffffff-0000-4000-8000-000000000001, O=admin',
      extensions: [
        new x509.SubjectAlternativeNameExtension([
          { type: 'url', value: 'urn:drover:instance:other' },
          { type: 'dns', value: 'platform.internal' },
        ]),
        new x509.BasicConstraintsExtension(true, 9, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
      ],
      attributes: [new x509.ChallengePasswordAttribute('x')],
    });
    const text = (der: Uint8Array) => {
      const certificate = new x509.X509Certificate(der as Uint8Array<ArrayBuffer>);
      const varying = ['2.5.29.14'];
      const extensions = certificate.extensions.filter((e) => !varying.includes(e.type));
      return [
        certificate.subject,
        certificate.issuer,
        ...extensions.map((e) => Buffer.from(e.rawData).toString('hex')),
      ];
    };
    const modest = await ca.issueAgentCertificate(INSTANCE, await csrWith(P256));
    expect(text((await ca.issueAgentCertificate(INSTANCE, greedy)).certificateDer)).toEqual(
      text(modest.certificateDer),
    );
  });

  it.each([
    [
      'RSA 1024',
      { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) },
    ],
    [
      'RSA 2048',
      { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
    ],
    ['P-384', { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }],
    ['P-521', { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' }],
  ])('refuses a %s key', async (_, algorithm) => {
    expect(await refusalOf(await csrWith(algorithm))).toMatchObject({
      code: 'csr_key_type',
      field: 'csr_der',
      status: 422,
    });
  });

  it('refuses a CSR whose signature is not by its own key', async () => {
    const [mine, other] = await Promise.all([csrWith(P256), csrWith(P256)]);
    const swapped = Buffer.from(mine);
    const point = Buffer.from(
      new x509.Pkcs10CertificateRequest(other as Uint8Array<ArrayBuffer>).publicKey.rawData,
    ).subarray(-64);
    const at = swapped.indexOf(
      Buffer.from(new x509.Pkcs10CertificateRequest(mine as Uint8Array<ArrayBuffer>).publicKey.rawData).subarray(-64),
    );
    point.copy(swapped, at);
    expect(await refusalOf(swapped)).toMatchObject({ code: 'csr_bad_signature' });
  });

  it('refuses garbage, truncations, foreign structures and oversized requests, naming the field', async () => {
    const good = await csrWith(P256);
    const spki = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' });
    for (const bad of [
      new Uint8Array(),
      Buffer.from('hello'),
      good.subarray(0, good.length - 9),
      spki,
      ca.caDer()[0]!,
    ]) {
      const { code, field } = await refusalOf(bad);
      expect([code, field]).toEqual([expect.stringMatching(/^csr_/), 'csr_der']);
    }
    expect(await refusalOf(new Uint8Array(9_000))).toMatchObject({ code: 'csr_too_large', status: 413 });
  });

  it('survives every single flipped byte of a CSR with a certificate for the same instance or a refusal', async () => {
    const good = await csrWith(P256);
    for (let i = 0; i < good.length; i++) {
      const bent = Uint8Array.from(good);
      bent[i]! ^= 0x41;
      try {
        const issued = await ca.issueAgentCertificate(INSTANCE, bent);
        expect(new X509Certificate(issued.certificateDer).subject).toBe(`CN=${INSTANCE}`);
      } catch (error) {
        expect(error).toBeInstanceOf(RefusedError);
      }
    }
  });

  it('makes listener certificates with DNS and IP names, followed by the CA', async () => {
    const { certPem } = await ca.issueServerCertificate(['localhost', '127.0.0.1', '::1']);
    const certificate = new X509Certificate(certPem);
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(certPem.endsWith(ca.caPem())).toBe(true);
  });
});

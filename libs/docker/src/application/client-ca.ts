import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { deterministicUuid, sha256Hex, type Clock, type Random } from '#kernel';
import type { SecretStore } from '#access';
import type { CommandContext, Transactor } from '#processing';
import { dockerClientsDecider } from '../domain/clients.js';

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

export interface ClientCertificate {
  readonly certPem: string;
  readonly keyPem: string;
  readonly notAfter: string;
}

export const clientsStream = (accountId: string): string =>
  `docker_clients-${deterministicUuid('docker_clients', accountId)}`;

/**
 * Who may speak to the Docker daemons of an account. An authority of its own: the platform's signs the certificates of agents
 * too, and a daemon that trusted it would take orders from every node.
 */
export class DockerClientCa {
  constructor(
    private readonly deps: {
      readonly transactor: Transactor;
      readonly secrets: SecretStore;
      readonly clock: Pick<Clock, 'wallMs'>;
      readonly random: Pick<Random, 'bytes'>;
    },
  ) {}

  /** Of racing callers one makes it, and all use the same. */
  async caPem(context: CommandContext): Promise<string> {
    return (await this.authority(context)).caPem;
  }

  async issue(operatorId: string, ttlMs: number, context: CommandContext): Promise<ClientCertificate> {
    const { keyRef, caPem } = await this.authority(context);
    const caKeyPem = await this.deps.secrets.get(keyRef);
    if (caKeyPem === undefined) throw new Error('the key of the Docker client authority is not in the secret store');
    const issuer = new x509.X509Certificate(caPem);
    const signingKey = await importKey(caKeyPem);
    const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
    const now = this.deps.clock.wallMs();
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: this.serial(),
      subject: [{ CN: [`drover operator ${operatorId}`] }],
      issuer: issuer.subjectName.toJSON(),
      notBefore: new Date(now - 60_000),
      notAfter: new Date(now + ttlMs),
      signingAlgorithm: P256,
      publicKey: keys.publicKey,
      signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([CLIENT_AUTH]),
      ],
    });
    const notAfter = certificate.notAfter.toISOString();
    const { accountId } = context;
    const issued = { kind: 'issued', accountId, operatorId, serial: certificate.serialNumber, notAfter } as const;
    await this.deps.transactor.transact(clientsStream(accountId), dockerClientsDecider, issued, context);
    return { certPem: `${certificate.toString('pem')}\n`, keyPem: await privatePem(keys.privateKey), notAfter };
  }

  private async authority(context: CommandContext): Promise<{ readonly keyRef: string; readonly caPem: string }> {
    const { transactor, secrets } = this.deps;
    const stream = clientsStream(context.accountId);
    const known = (await transactor.read(stream, dockerClientsDecider))?.state;
    if (known?.caPem != null && known.keyRef !== null) return { keyRef: known.keyRef, caPem: known.caPem };
    const made = await this.make();
    // Each under a name of its own: who loses the race must not overwrite the winner's key.
    const stored = await secrets.put(context.accountId, `docker_client_ca.${sha256Hex(made.caPem)}`, made.keyPem);
    const command = { kind: 'create_ca', accountId: context.accountId, keyRef: stored.ref, caPem: made.caPem } as const;
    const commandId = deterministicUuid('docker_client_ca', context.commandId);
    const done = await transactor.transact(stream, dockerClientsDecider, command, { ...context, commandId });
    if (done.kind === 'refused' || done.state.caPem === null || done.state.keyRef === null)
      throw new Error('the Docker client authority could not be made');
    return { keyRef: done.state.keyRef, caPem: done.state.caPem };
  }

  private async make(): Promise<{ readonly caPem: string; readonly keyPem: string }> {
    const keys = await webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
    const now = this.deps.clock.wallMs();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: this.serial(),
      name: [{ CN: ['Drover Docker clients'] }],
      notBefore: new Date(now - 60_000),
      notAfter: new Date(now + 3_650 * DAY_MS),
      signingAlgorithm: P256,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    return { caPem: `${certificate.toString('pem')}\n`, keyPem: await privatePem(keys.privateKey) };
  }

  private serial(): string {
    const bytes = Buffer.from(this.deps.random.bytes(16));
    bytes[0] = (bytes[0]! & 0x3f) | 0x40;
    return bytes.toString('hex');
  }
}

const privatePem = async (key: webcrypto.CryptoKey): Promise<string> =>
  `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;

const importKey = (pem: string): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), P256, false, ['sign']);

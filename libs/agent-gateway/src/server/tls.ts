import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';

export interface ListenerCertificate {
  /** Leaf first, then the CA. */
  readonly certPem: string;
  readonly keyPem: string;
  /** Whose client certificates are accepted. */
  readonly caPem: string;
}

/**
 * No tickets and, as node keeps no session cache unless asked to, no resumption at all: each connection shows its
 * certificate, so a revoked one cannot come back on an old session.
 */
const contextOf = ({ certPem, keyPem, caPem }: ListenerCertificate): SecureContextOptions => ({
  cert: certPem,
  key: keyPem,
  ca: caPem,
  minVersion: 'TLSv1.3',
  secureOptions: constants.SSL_OP_NO_TICKET,
});

/** TLS of a listener; `mutual` refuses clients without a certificate of the platform CA during the handshake. */
export class ListenerCredentials extends ServerCredentials {
  constructor(mutual: boolean, certificate: ListenerCertificate) {
    super({ requestCert: mutual, rejectUnauthorized: mutual }, contextOf(certificate));
  }

  /** New connections get the new certificate; streams that are open go on. */
  renew(certificate: ListenerCertificate): void {
    this.updateSecureContextOptions(contextOf(certificate));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

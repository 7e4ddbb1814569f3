import type { PeerCertificate } from 'node:tls';
import { status, type ServiceError, Metadata } from '@grpc/grpc-js';
import type { Peer } from '../session/stream.js';

const URN = /(?:^|, )URI:urn:drover:instance:(instance-[0-9a-f-]{36})(?:,|$)/;

export interface WithAuthContext {
  getAuthContext(): { readonly sslPeerCertificate?: PeerCertificate };
}

/** Who calls, from the certificate that TLS has verified against the platform CA; undefined when it names no instance. */
export const peerOf = (call: WithAuthContext): Peer | undefined => {
  const certificate = call.getAuthContext().sslPeerCertificate;
  const instanceId = certificate?.subjectaltname === undefined ? undefined : URN.exec(certificate.subjectaltname)?.[1];
  if (certificate === undefined || instanceId === undefined) return undefined;
  return { instanceId, certificateSerial: certificate.serialNumber.toLowerCase() };
};

export const callError = (code: status, details: string, metadata = new Metadata()): ServiceError =>
  Object.assign(new Error(details), { code, details, metadata });

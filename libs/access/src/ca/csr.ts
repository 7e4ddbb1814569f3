import 'reflect-metadata';
import { createPublicKey, type KeyObject } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { refusal, RefusedError, sha256Hex } from '#kernel';

export const MAX_CSR_BYTES = 8 * 1024;

export interface ReadCsr {
  /** SubjectPublicKeyInfo, DER, as this platform encodes it: the only thing that is taken from a CSR. */
  readonly spki: Uint8Array<ArrayBuffer>;
  /** Hex sha256 of `spki`. */
  readonly publicKeyDigest: string;
}

const refuse = (code: string, message: string, hint: string): RefusedError =>
  new RefusedError(refusal(422, code, message, { field: 'csr_der', hint }));

/** Refuses with RefusedError what is not a well-formed PKCS #10 request, signed by its own P-256 or Ed25519 key. */
export const readCsr = async (csrDer: Uint8Array): Promise<ReadCsr> => {
  if (csrDer.length > MAX_CSR_BYTES) {
    const size = `csr_der has ${csrDer.length} bytes; at most ${MAX_CSR_BYTES} are read`;
    throw new RefusedError(
      refusal(413, 'csr_too_large', size, { field: 'csr_der', hint: 'send a CSR without attributes' }),
    );
  }
  const { csr, carried } = parse(csrDer);
  const key = acceptableKey(carried);
  if (!(await proves(csr))) {
    const message = "the CSR's signature does not match its public key";
    throw refuse('csr_bad_signature', message, 'sign the CSR with the private half of the key that it carries');
  }
  const spki = new Uint8Array(key.export({ type: 'spki', format: 'der' }));
  return { spki, publicKeyDigest: sha256Hex(spki) };
};

const parse = (der: Uint8Array): { csr: x509.Pkcs10CertificateRequest; carried: ArrayBuffer } => {
  try {
    const csr = new x509.Pkcs10CertificateRequest(new Uint8Array(der));
    // Read here, because the parser looks into the key only when asked.
    return { csr, carried: csr.publicKey.rawData };
  } catch {
    // The parser's own message quotes the input; the refusal says all that a caller can use.
    throw refuse('csr_malformed', 'csr_der is not a PKCS #10 certificate request in DER', 'send the DER of one CSR');
  }
};

const acceptableKey = (spki: ArrayBuffer): KeyObject => {
  const hint = 'make a P-256 or an Ed25519 key';
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    throw refuse('csr_malformed', "the CSR's public key cannot be read", hint);
  }
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'ed25519' || (key.asymmetricKeyType === 'ec' && curve === 'prime256v1')) return key;
  const bits = key.asymmetricKeyDetails?.modulusLength;
  const kind = [key.asymmetricKeyType, curve, bits].filter((part) => part !== undefined).join(' ');
  throw refuse('csr_key_type', `the CSR's key is ${kind}; only P-256 and Ed25519 are signed`, hint);
};

const proves = async (csr: x509.Pkcs10CertificateRequest): Promise<boolean> => {
  try {
    return await csr.verify();
  } catch {
    // An algorithm that WebCrypto does not know, or one that does not fit the key: no proof either way.
    return false;
  }
};

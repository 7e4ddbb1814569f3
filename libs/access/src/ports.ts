import { isoTime, refusal, type Refusal } from '#kernel';

/** What is behind a reference. */
export type FoundSecret =
  | { readonly kind: 'found'; readonly plaintext: string }
  /** Its subject has ended, and the data key with it: nobody can read it any more, with whatever key. */
  | { readonly kind: 'shredded'; readonly atMs: number }
  | { readonly kind: 'unknown' };

export interface ShreddedSubject {
  /** The data key that is gone; null when nothing was ever kept for the subject. */
  readonly keyId: string | null;
  /** Names of the secrets that were sealed under it. */
  readonly names: readonly string[];
  readonly atMs: number;
}

/** Secrets by reference: AES-256-GCM under a data key per subject; shredding a subject deletes its data key. */
export interface SecretStore {
  /**
   * Stores or replaces; answers the reference that may stand in an event, with the sha256 of the plaintext. Refuses with
   * RefusedError (410 `secrets_shredded`) when the subject has ended: nobody would shred what came after.
   */
  put(subject: string, name: string, plaintext: string): Promise<{ readonly ref: string; readonly digest: string }>;
  /** Undefined for what was shredded or never there; `find` tells the two apart. */
  get(ref: string): Promise<string | undefined>;
  find(ref: string): Promise<FoundSecret>;
  /** Ends a subject for good. Again changes nothing and answers the same. */
  shred(subject: string): Promise<ShreddedSubject>;
}
export const SECRET_STORE = Symbol('SecretStore');

/** Said of a secret whose subject has ended, to whoever asks for it or would store another. */
export const shreddedRefusal = (ref: string, atMs: number): Refusal =>
  refusal(410, 'secrets_shredded', `${ref} was shredded at ${isoTime(atMs)}, when its subject ended`, {
    hint: 'its data key is deleted: it cannot be brought back',
  });

export interface IssuedCertificate {
  readonly certificateDer: Uint8Array;
  /** Hex. */
  readonly serial: string;
  /** Hex sha256 of the SubjectPublicKeyInfo. */
  readonly publicKeyDigest: string;
  readonly notAfter: string;
}

/** The platform CA. It builds certificates from its own record; of a CSR it copies the public key and nothing else. */
export interface CertificateAuthority {
  /** Refuses with RefusedError: malformed CSR, bad proof of possession, a key that is not P-256 or Ed25519. */
  readCsr(csrDer: Uint8Array): Promise<{ readonly publicKeyDigest: string }>;
  issueAgentCertificate(instanceId: string, csrDer: Uint8Array): Promise<IssuedCertificate>;
  /** For the platform's own listeners. */
  issueServerCertificate(names: readonly string[]): Promise<{ readonly certPem: string; readonly keyPem: string }>;
  /** For a daemon on a node, with the key that the node made; the names are the platform's own record. */
  issueRuntimeCertificate(names: readonly string[], csrDer: Uint8Array, lifeMs: number): Promise<IssuedCertificate>;
  caPem(): string;
  caDer(): readonly Uint8Array[];
}
export const CERTIFICATE_AUTHORITY = Symbol('CertificateAuthority');

/** The operator behind a bearer token. */
export interface Principal {
  readonly operatorId: string;
  readonly accountId: string;
  readonly name: string;
  readonly permissions: ReadonlySet<string>;
  /** The public half of the token that was shown; absent where none was. */
  readonly tokenId?: string;
  /** When the token ends, milliseconds since the epoch; absent when it does not. */
  readonly expiresAtMs?: number;
  /** Made for an AI operator: disruptive tools need a plan, destroying ones a human. */
  readonly guarded?: boolean;
}

export interface OperatorAuthenticator {
  /** Undefined for unknown, expired and revoked tokens alike. */
  authenticate(bearerToken: string): Promise<Principal | undefined>;
}
export const OPERATOR_AUTHENTICATOR = Symbol('OperatorAuthenticator');

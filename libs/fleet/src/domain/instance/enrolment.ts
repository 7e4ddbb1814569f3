import { accept, isoTime, nothing, refusal, reject, type Decision, type InstanceId, type Refusal } from '#kernel';
import {
  InstanceCertificateRenewed,
  InstanceCertificateRevoked,
  InstanceEnrolled,
  InstanceEnrollmentRefused,
  InstanceJoinTokenIssued,
} from './events.js';
import { instanceGone, instanceNotFound } from './refusals.js';
import { linksOf, type InstanceEvent, type InstanceState, type KnownInstance } from './state.js';

export interface NewCertificate {
  readonly serial: string;
  readonly publicKeyDigest: string;
  readonly notAfter: string;
  readonly derBase64: string;
}
export interface IssueToken {
  readonly kind: 'issue_token';
  readonly tokenId: string;
  readonly tokenDigest: string;
  readonly expiresAtMs: number;
}
/** A join token as it was presented, with the key that wants to be certified. */
export interface Redemption {
  readonly tokenDigest: string;
  readonly publicKeyDigest: string;
  readonly nowMs: number;
}
export interface Enroll extends Redemption {
  readonly kind: 'enroll';
  readonly certificate: NewCertificate;
  readonly agentVersion: string;
  readonly hostname: string;
  readonly machineId: string;
}
export interface RefuseEnrollment {
  readonly kind: 'refuse_enrollment';
  readonly code: string;
  readonly reason: string;
}
export interface Renew {
  readonly kind: 'renew';
  readonly certificate: NewCertificate;
}
export interface Revoke {
  readonly kind: 'revoke';
  readonly reason: string;
}

const idOf = (state: KnownInstance) => state.instanceId as InstanceId;

export const issueToken = (state: KnownInstance, c: IssueToken): Decision<InstanceEvent> => {
  const { tokenId, tokenDigest } = c;
  const data = { instance_id: idOf(state), token_id: tokenId, token_digest: tokenDigest };
  return accept(InstanceJoinTokenIssued({ ...data, expires_at: isoTime(c.expiresAtMs) }, { links: linksOf(state) }));
};

export type Verdict =
  | { readonly kind: 'open'; readonly tokenId: string }
  /** The same key again: the answer to the first try may have been lost. */
  | { readonly kind: 'repeat' }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

const newToken = 'system_create_join_token makes a new one';
const refused = (status: Refusal['status'], code: string, message: string, hint = newToken): Verdict => ({
  kind: 'refused',
  refusal: refusal(status, code, message, { field: 'join_token', hint }),
});

/** Whether a join token may enrol this key now. Unknown instances and unknown tokens get the same answer. */
export const judgeToken = (state: InstanceState, c: Redemption): Verdict => {
  const token = state.kind === 'known' ? state.tokens[c.tokenDigest] : undefined;
  if (state.kind === 'absent' || token === undefined)
    return refused(401, 'join_token_unknown', 'this join token was never issued by this platform');
  const gone = instanceGone(state);
  if (gone !== undefined) return { kind: 'refused', refusal: { ...gone, field: 'join_token' } };
  const expired = c.nowMs >= Date.parse(token.expiresAt);
  if (token.use === 'used') {
    const mine = state.certificate?.tokenId === token.tokenId && state.certificate.der !== '' && !state.revoked;
    if (mine && !expired && state.certificate?.publicKeyDigest === c.publicKeyDigest) return { kind: 'repeat' };
    return refused(409, 'join_token_used', `this join token was already used, and it works only once`);
  }
  if (token.use === 'superseded')
    return refused(410, 'join_token_superseded', 'another join token has enrolled this instance since');
  if (expired) return refused(410, 'join_token_expired', `this join token expired at ${token.expiresAt}`);
  return { kind: 'open', tokenId: token.tokenId };
};

/** Consumes the token and records the certificate in one append. */
export const enroll = (state: InstanceState, c: Enroll): Decision<InstanceEvent> => {
  const verdict = judgeToken(state, c);
  if (verdict.kind === 'refused') return reject(verdict.refusal);
  if (verdict.kind === 'repeat') return nothing('enrolled_before');
  if (state.kind === 'absent') return reject(instanceNotFound());
  return accept(
    InstanceEnrolled(
      {
        instance_id: idOf(state),
        token_id: verdict.tokenId,
        certificate_serial: c.certificate.serial,
        public_key_digest: c.certificate.publicKeyDigest,
        not_after: c.certificate.notAfter,
        agent_version: c.agentVersion,
        hostname: c.hostname,
        machine_id: c.machineId,
        certificate_der_b64: c.certificate.derBase64,
      },
      { links: linksOf(state) },
    ),
  );
};

export const refuseEnrollment = (state: InstanceState, c: RefuseEnrollment): Decision<InstanceEvent> =>
  state.kind === 'absent'
    ? nothing('no_such_instance') // There is no stream to record it on; the log line must do.
    : accept(
        InstanceEnrollmentRefused(
          { instance_id: idOf(state), code: c.code, reason: c.reason },
          { links: linksOf(state) },
        ),
      );

export const renew = (state: KnownInstance, { certificate }: Renew): Decision<InstanceEvent> => {
  if (state.revoked || state.certificate === null)
    return reject(refusal(403, 'certificate_revoked', `the certificate of ${state.name} was revoked`));
  return accept(
    InstanceCertificateRenewed(
      {
        instance_id: idOf(state),
        certificate_serial: certificate.serial,
        public_key_digest: certificate.publicKeyDigest,
        not_after: certificate.notAfter,
        certificate_der_b64: certificate.derBase64,
      },
      { links: linksOf(state) },
    ),
  );
};

export const revoke = (state: KnownInstance, c: Revoke): Decision<InstanceEvent> =>
  state.revoked || state.certificate === null
    ? nothing('no_certificate')
    : accept(InstanceCertificateRevoked({ instance_id: idOf(state), reason: c.reason }, { links: linksOf(state) }));

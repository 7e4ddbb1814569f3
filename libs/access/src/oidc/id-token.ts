import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { refusal, RefusedError, type Clock } from '#kernel';
import type { Claims } from '../domain/login/match.js';
import { callProvider, ProviderUnavailableError } from './http.js';

/** Signatures by a private key only: whoever knows a shared secret, or no key at all, could make the others. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];
/** How far clocks may be apart. */
const SKEW_S = 60;
const JWKS_COOLDOWN_MS = 10_000;

export interface Expected {
  readonly issuer: string;
  readonly clientId: string;
  readonly nonce: string;
  readonly nonceIs?: 'always' | 'where_told';
}

export const keysOf = (jwksUri: string): JWTVerifyGetKey =>
  createRemoteJWKSet(new URL(jwksUri), {
    cooldownDuration: JWKS_COOLDOWN_MS,
    [customFetch]: async (url) => {
      const { status, json } = await callProvider(url);
      return new Response(JSON.stringify(json), { status });
    },
  });

const refused = (code: string, message: string): RefusedError =>
  new RefusedError(
    refusal(401, code, message, { hint: 'log in again; if it stays so, the provider’s configuration is wrong' }),
  );

const CLAIMS: Readonly<Record<string, readonly [code: string, message: string]>> = {
  iss: ['id_token_issuer', 'the ID token is of another issuer'],
  aud: ['id_token_audience', 'the ID token was made for another client'],
  nbf: ['id_token_not_yet_valid', 'the ID token is not valid yet'],
};

const refusalOf = (error: unknown): unknown => {
  if (error instanceof ProviderUnavailableError) return error;
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid)
    return new ProviderUnavailableError(`its keys cannot be read: ${error.message}`);
  if (error instanceof errors.JWTExpired) return refused('id_token_expired', 'the ID token has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    const [code, message] = CLAIMS[error.claim] ?? ['id_token_claims', `the ID token lacks a usable ${error.claim}`];
    return refused(code, message);
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return refused('id_token_algorithm', 'the ID token is not signed by a private key');
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return refused('id_token_key_unknown', 'the ID token is signed by a key that the provider does not publish');
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return refused('id_token_signature', 'the signature of the ID token is wrong');
  return error instanceof errors.JOSEError ? refused('id_token_malformed', 'that is no ID token') : error;
};

/** The claims of an ID token that this provider made, for us, for this login, now. Throws RefusedError. */
export const verifyIdToken = async (
  token: string,
  keys: JWTVerifyGetKey,
  { issuer, clientId, nonce, nonceIs = 'always' }: Expected,
  clock: Pick<Clock, 'wallMs'>,
): Promise<Claims & { readonly sub: string }> => {
  const nowMs = clock.wallMs();
  const { payload } = await jwtVerify(token, keys, {
    ...{ issuer, audience: clientId, algorithms: ALGORITHMS, clockTolerance: SKEW_S },
    ...{ currentDate: new Date(nowMs), requiredClaims: ['exp', 'iat', 'sub'] },
  }).catch((error: unknown) => {
    throw refusalOf(error);
  });
  // Not every provider knows a nonce of device logins; the token comes straight from it, for a code that only we know.
  const isToldElsewhere = nonceIs === 'where_told' && payload['nonce'] === undefined;
  if (payload['nonce'] !== nonce && !isToldElsewhere)
    throw refused('id_token_nonce', 'the ID token belongs to another login');
  if (payload.iat! > nowMs / 1_000 + SKEW_S) throw refused('id_token_not_yet_valid', 'the ID token is from the future');
  const isForSeveral = Array.isArray(payload.aud) && payload.aud.length > 1;
  if ((isForSeveral || payload['azp'] !== undefined) && payload['azp'] !== clientId)
    throw refused('id_token_audience', 'the ID token was made for another client');
  const { sub } = payload;
  if (typeof sub !== 'string' || sub === '' || sub.length > 255)
    throw refused('id_token_claims', 'the ID token names nobody');
  return { ...payload, sub };
};

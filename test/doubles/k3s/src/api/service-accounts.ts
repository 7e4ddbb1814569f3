import { createPrivateKey, sign, verify, X509Certificate, type KeyObject } from 'node:crypto';
import type { KeyPair } from '../pki.js';
import type { KubeObject, Store } from '../store.js';
import { toSeconds } from './objects.js';
import { keyOf, resourceNamed } from './resources.js';
import { ApiError } from './status.js';

const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const AUDIENCES = [ISSUER, 'k3s'];
const HEADER = { alg: 'ES256', typ: 'JWT' };

interface Claims {
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number;
  readonly iss: string;
  readonly sub: string;
  readonly 'kubernetes.io': {
    readonly namespace: string;
    readonly serviceaccount: { readonly name: string; readonly uid: string };
  };
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const encoded = (key: KeyObject) => ({ key, dsaEncoding: 'ieee-p1363' }) as const;

/** Tokens of service accounts. All servers of a cluster share the key: the client CA's, where the real one has a service.key. */
export class ServiceAccountTokens {
  private readonly key: KeyObject;
  private readonly publicKey: KeyObject;

  constructor(ca: KeyPair) {
    this.key = createPrivateKey(ca.key);
    this.publicKey = new X509Certificate(ca.cert).publicKey;
  }

  /** `POST …/serviceaccounts/NAME/token`: the TokenRequest with its status. */
  request(account: KubeObject, body: string, now: number): object {
    const request = JSON.parse(body) as { spec?: { audiences?: string[]; expirationSeconds?: number } };
    const seconds = request.spec?.expirationSeconds ?? 3_600;
    const { name, namespace = '', uid = '' } = account.metadata;
    if (!Number.isInteger(seconds) || seconds < 600 || seconds > 2 ** 32) {
      const why =
        seconds < 600
          ? 'may not specify a duration less than 10 minutes'
          : 'may not specify a duration larger than 2^32 seconds';
      throw new ApiError(
        422,
        `TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: ${seconds}: ${why}`,
      );
    }
    const asked = request.spec?.audiences ?? [];
    const iat = Math.floor(now / 1_000);
    const claims: Claims = {
      aud: asked.length === 0 ? AUDIENCES : asked,
      ...{ exp: iat + seconds, iat, nbf: iat, iss: ISSUER },
      sub: `system:serviceaccount:${namespace}:${name}`,
      'kubernetes.io': { namespace, serviceaccount: { name, uid } },
    };
    const signed = `${part(HEADER)}.${part(claims)}`;
    const signature = sign('sha256', Buffer.from(signed), encoded(this.key)).toString('base64url');
    return {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { name, namespace, creationTimestamp: toSeconds(now) },
      spec: { audiences: claims.aud, expirationSeconds: seconds, boundObjectRef: null },
      status: { token: `${signed}.${signature}`, expirationTimestamp: toSeconds(claims.exp * 1_000) },
    };
  }

  /** Undefined for a token that is not ours, has ended, is for others, or whose account is gone or was made anew. */
  user(store: Store, token: string, now: number): { name: string; groups: string[] } | undefined {
    const [header = '', payload = '', signature = '', more] = token.split('.');
    const signed = Buffer.from(`${header}.${payload}`);
    if (more !== undefined || header !== part(HEADER)) return undefined;
    if (!verify('sha256', signed, encoded(this.publicKey), Buffer.from(signature, 'base64url'))) return undefined;
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Claims;
    if (claims.exp * 1_000 <= now || !claims.aud.some((one) => AUDIENCES.includes(one))) return undefined;
    const { namespace, serviceaccount } = claims['kubernetes.io'];
    const account = store.get(keyOf(resourceNamed('serviceaccounts'), namespace, serviceaccount.name))?.object;
    if (account?.metadata.uid !== serviceaccount.uid || account.metadata.deletionTimestamp !== undefined)
      return undefined;
    return { name: claims.sub, groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`] };
  }
}

import type { JWTVerifyGetKey } from 'jose';
import { refusal, RefusedError, type Clock } from '#kernel';
import type { Claims } from '../domain/login/match.js';
import {
  DEVICE_ENDS,
  deviceAuthorization,
  noDeviceLogin,
  POLL_S,
  type DeviceAuthorization,
  type DevicePoll,
  type Tokens,
} from './device-answers.js';
import { callProvider, ProviderBusyError, ProviderUnavailableError, type ProviderAnswer } from './http.js';
import { keysOf, verifyIdToken } from './id-token.js';
import { ProviderDiscovery, type ProviderMetadata } from './metadata.js';
import type { PendingLogin } from './pending-login.js';

export interface OidcClient {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly scopes: string;
}

export type VerifiedClaims = Claims & { readonly sub: string };

/** Passes, and says nothing about what is asked for. */
const TOO_MANY = 429;

const MAX_TOKEN = 64 * 1024;
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value.length <= MAX_TOKEN ? value : undefined;

/** That an address is verified is said of that one: what the userinfo says of its own holds for no other in the ID token. */
const isVerified = (claims: Claims, userinfo: Claims): unknown => {
  if (claims['email'] === undefined) return userinfo['email_verified'];
  return claims['email_verified'] ?? (claims['email'] === userinfo['email'] ? userinfo['email_verified'] : undefined);
};

/** As the provider names it, where that is a name. */
const whyOf = (status: number, json: Readonly<Record<string, unknown>>): string =>
  /^[a-z_]{1,40}$/.exec(String(json['error']))?.[0] ?? `HTTP ${status}`;

/** Such characters are safe in the header of every provider (RFC 6749, 2.3.1 and appendix B). */
const formEncoded = (value: string): string => new URLSearchParams([['', value]]).toString().slice(1);

/** The identity provider, as an OpenID Connect client with PKCE talks to it. */
export class OidcProvider {
  private readonly discovery: ProviderDiscovery;
  private keys: { readonly uri: string; readonly get: JWTVerifyGetKey } | undefined;

  constructor(
    readonly client: OidcClient,
    private readonly clock: Pick<Clock, 'wallMs' | 'monotonicMs'>,
  ) {
    this.discovery = new ProviderDiscovery(client.issuer, clock);
  }

  async authorizationUrl({ redirect_uri, state, nonce, code_challenge }: PendingLogin): Promise<string> {
    const { authorization_endpoint } = await this.discovery.find();
    const url = new URL(authorization_endpoint);
    const { clientId: client_id, scopes: scope } = this.client;
    const query = { response_type: 'code', client_id, scope, redirect_uri, state, nonce, code_challenge };
    for (const [name, value] of Object.entries({ ...query, code_challenge_method: 'S256' }))
      url.searchParams.set(name, value);
    return url.href;
  }

  /** Who the provider says has logged in. Throws RefusedError, or ProviderUnavailableError. */
  async redeem(login: PendingLogin, code: string, verifier: string, iss: string | undefined): Promise<VerifiedClaims> {
    const metadata = await this.discovery.find();
    const { issuer } = this.client;
    // A code of another provider would be sent to this one (RFC 9207).
    if (iss === undefined ? metadata.authorization_response_iss_parameter_supported : iss !== issuer)
      throw new RefusedError(refusal(401, 'issuer_mismatch', 'the answer is of another provider', { field: 'iss' }));
    const tokens = await this.exchange(metadata, login, code, verifier);
    return this.claimsOf(tokens, login.nonce);
  }

  /** Who these tokens speak of. Throws RefusedError, or ProviderUnavailableError. */
  async claimsOf(tokens: Tokens, nonce: string, nonceIs: 'always' | 'where_told' = 'always'): Promise<VerifiedClaims> {
    const metadata = await this.discovery.find();
    const { issuer, clientId } = this.client;
    const keys = this.keysAt(metadata.jwks_uri);
    const claims = await verifyIdToken(tokens.id_token, keys, { issuer, clientId, nonce, nonceIs }, this.clock);
    const userinfo = await this.userinfo(metadata, tokens.access_token, claims.sub);
    return { ...userinfo, ...claims, email_verified: isVerified(claims, userinfo) };
  }

  /** What somebody enters where there is a browser. Throws RefusedError where the provider has no such thing. */
  async deviceAuthorization(nonce: string): Promise<DeviceAuthorization> {
    const metadata = await this.discovery.find();
    const endpoint = metadata.device_authorization_endpoint;
    if (endpoint === undefined) throw new RefusedError(noDeviceLogin(this.client.issuer));
    const form = { scope: this.client.scopes, nonce };
    const { status, json } = await this.post(metadata, endpoint, form);
    const given = deviceAuthorization.safeParse(json);
    if (status === 200 && given.success) return given.data;
    if (status >= 400 && status < 500 && status !== TOO_MANY)
      throw new RefusedError(noDeviceLogin(this.client.issuer, whyOf(status, json)));
    throw new ProviderUnavailableError(`its device endpoint answers HTTP ${status}, and no code`);
  }

  /** One look whether somebody entered the code. Throws ProviderUnavailableError. */
  async pollDevice(device_code: string): Promise<DevicePoll> {
    const metadata = await this.discovery.find();
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code };
    const { status, json } = await this.post(metadata, metadata.token_endpoint, form);
    if (status >= 500) throw new ProviderUnavailableError(`its token endpoint answers HTTP ${status}`);
    const id_token = text(json['id_token']);
    if (status === 200 && id_token !== undefined)
      return { kind: 'in', tokens: { id_token, access_token: text(json['access_token']) } };
    const why = whyOf(status, json);
    if (why === 'authorization_pending') return { kind: 'pending', wait: { interval: POLL_S } };
    // The interval is for programs that know no slow_down.
    if (why === 'slow_down') return { kind: 'pending', wait: { interval: POLL_S * 2, slow_down: true } };
    if (status === TOO_MANY) throw new ProviderBusyError('its token endpoint is asked too often');
    const [code, message] = DEVICE_ENDS[why] ?? ['code_refused', `the provider does not take the device code (${why})`];
    return {
      kind: 'out',
      error: new RefusedError(refusal(401, code, message, { hint: 'begin again: drover login --device' })),
    };
  }

  private keysAt(uri: string): JWTVerifyGetKey {
    if (this.keys?.uri !== uri) this.keys = { uri, get: keysOf(uri) };
    return this.keys.get;
  }

  private async exchange(
    metadata: ProviderMetadata,
    login: PendingLogin,
    code: string,
    code_verifier: string,
  ): Promise<Tokens> {
    const form = { grant_type: 'authorization_code', code, redirect_uri: login.redirect_uri, code_verifier };
    const { status, json } = await this.post(metadata, metadata.token_endpoint, form);
    if (status >= 500) throw new ProviderUnavailableError(`its token endpoint answers HTTP ${status}`);
    const id_token = text(json['id_token']);
    if (status === 200 && id_token !== undefined) return { id_token, access_token: text(json['access_token']) };
    if (status === TOO_MANY) throw new ProviderBusyError('its token endpoint is asked too often');
    const code_ = status === 200 ? 'id_token_missing' : 'code_refused';
    const why = whyOf(status, json);
    const message = status === 200 ? 'the provider gave no ID token' : `the provider does not take the code (${why})`;
    throw new RefusedError(
      refusal(401, code_, message, { field: 'code', hint: 'a code is good for one login: log in again' }),
    );
  }

  /** A call that says which client we are, in the way that the provider wants it said. */
  private post(
    metadata: ProviderMetadata,
    url: string,
    form: Readonly<Record<string, string>>,
  ): Promise<ProviderAnswer> {
    const { clientId: client_id, clientSecret } = this.client;
    const isBasic = metadata.token_endpoint_auth_methods_supported.includes('client_secret_basic');
    const secret = clientSecret === undefined || isBasic ? {} : { client_secret: clientSecret };
    const own = clientSecret === undefined || !isBasic ? { client_id, ...secret } : {};
    const basic = `${formEncoded(client_id)}:${formEncoded(clientSecret ?? '')}`;
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
      ...(clientSecret !== undefined && isBasic
        ? { authorization: `Basic ${Buffer.from(basic).toString('base64')}` }
        : {}),
    };
    return callProvider(url, { method: 'POST', headers, body: new URLSearchParams({ ...form, ...own }).toString() });
  }

  /** Many providers tell groups and names only here. What the ID token says wins, and both must speak of the same person. */
  private async userinfo(metadata: ProviderMetadata, token: string | undefined, sub: string): Promise<Claims> {
    if (metadata.userinfo_endpoint === undefined || token === undefined) return {};
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };
    const { status, json } = await callProvider(metadata.userinfo_endpoint, { headers });
    if (status !== 200) throw new ProviderUnavailableError(`its userinfo endpoint answers HTTP ${status}`);
    if (json['sub'] === sub) return json;
    throw new RefusedError(refusal(401, 'userinfo_mismatch', 'the provider’s userinfo speaks of somebody else'));
  }
}

import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';

interface Key {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

export const makeKey = async (kid: string, alg = 'ES256'): Promise<Key> => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
};

export const signed = (claims: JWTPayload, { privateKey, kid, alg }: Key): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg, kid }).sign(privateKey);

const bodyOf = async (request: IncomingMessage): Promise<URLSearchParams> => {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return new URLSearchParams(text);
};

export interface TokenRequest {
  readonly form: URLSearchParams;
  readonly authorization: string | undefined;
}

/** A provider that answers what a test tells it to: the bad ones that no real one can be made to play. */
export class ScriptedProvider {
  private readonly server: Server;
  readonly tokenRequests: TokenRequest[] = [];
  /** How often it was asked what it is. */
  descriptions = 0;
  /** What is published. */
  keys: Key[] = [];
  metadata: Record<string, unknown> = {};
  userinfo: Record<string, unknown> | undefined;
  answer: () => Promise<{ readonly status?: number; readonly body: unknown }> = async () => ({ status: 400, body: {} });
  issuer = '';

  constructor() {
    this.server = createServer((request, response) => {
      void this.respond(request).then(({ status = 200, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      });
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.issuer = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    this.keys = [await makeKey('first')];
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private async respond(request: IncomingMessage): Promise<{ readonly status?: number; readonly body: unknown }> {
    switch (request.url) {
      case '/.well-known/openid-configuration':
        this.descriptions++;
        return { body: this.description() };
      case '/jwks':
        return { body: { keys: this.keys.map(({ jwk }) => jwk) } };
      case '/userinfo':
        return { body: this.userinfo };
      case '/token':
        this.tokenRequests.push({ form: await bodyOf(request), authorization: request.headers.authorization });
        return this.answer();
      default:
        return { status: 404, body: {} };
    }
  }

  private description(): Record<string, unknown> {
    const at = (path: string) => `${this.issuer}/${path}`;
    const userinfo = this.userinfo === undefined ? {} : { userinfo_endpoint: at('userinfo') };
    const endpoints = { authorization_endpoint: at('auth'), token_endpoint: at('token'), jwks_uri: at('jwks') };
    return { issuer: this.issuer, ...endpoints, ...userinfo, ...this.metadata };
  }
}

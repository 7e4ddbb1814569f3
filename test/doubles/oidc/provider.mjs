#!/usr/bin/env node
// A real OpenID Connect provider (oidc-provider) on a free port of this machine: `provider.mjs '{"maria":{"groups":["ops"]}}'`.
// It writes its issuer in one line; people are changed by another such line on stdin, and it ends with stdin.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';

let people = JSON.parse(process.argv[2] ?? '{}');

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'drover',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
      response_types: ['code'],
      // Of loopback addresses the port does not count (RFC 8252).
      redirect_uris: ['http://127.0.0.1/callback'],
    },
  ],
  scopes: ['openid', 'profile', 'groups'],
  claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
  cookies: { keys: ['of a test'] },
  pkce: { required: () => true },
  features: { deviceFlow: { enabled: process.env.OIDC_NO_DEVICE !== '1' } },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, ...people[id] }),
  }),
});
server.on('request', provider.callback());
createInterface({ input: process.stdin })
  .on('line', (line) => (people = JSON.parse(line)))
  .on('close', () => process.exit(0));
process.stdout.write(`${issuer}\n`);

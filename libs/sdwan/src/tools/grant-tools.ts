import { deterministicId, refusal, RefusedError, sha256Hex } from '#kernel';
import type { ToolCall, ToolRegistrar } from '#tools';
import { CreateAccessGrant, RevokeAccessGrant } from '../application/commands.js';
import { grantToken, publicUrl } from '../application/grant-token.js';
import { sdwanAccessGrants } from '../projections/access-grants.js';
import { documentOf, findGrant, findNetwork, pageOf } from './find.js';
import type { SdwanToolServices } from './services.js';
import * as tools from './vip-definitions.js';
import { grantView } from './views.js';

interface WantedGrant {
  readonly network_id: string;
  readonly name?: string | undefined;
  readonly tags: readonly string[];
  readonly ttl_seconds: number;
}

/** The call was repeated under its idempotency key: the first token is not kept, and another would open nothing. */
const toldAlready = (grant: { readonly grantId: string; readonly name: string }) =>
  refusal(409, 'token_told_already', `this call made ${grant.grantId} before, and its token was told then`, {
    field: 'idempotency_key',
    hint: `if the answer was lost, revoke ${grant.name} and call again without the key`,
  });

/** The token is told once, in the answer: the platform keeps its digest. */
export const makeGrant = async (services: SdwanToolServices, call: ToolCall, wanted: WantedGrant) => {
  const network = await findNetwork(services.readModels, call.accountId, wanted.network_id);
  const grantId = deterministicId('access_grant', call.context.commandId);
  // Of an approved call that is made again after a crash it is the same again.
  const token = grantToken(grantId, call.chance ?? services.random);
  await call.run(CreateAccessGrant, {
    network_id: network.id,
    grant_id: grantId,
    name: wanted.name ?? `device-${grantId.slice(-8)}`,
    tags: wanted.tags,
    token_digest: sha256Hex(token),
    expires_at_ms: call.context.nowMs + wanted.ttl_seconds * 1000,
  });
  await call.settle(sdwanAccessGrants);
  const { grant } = await documentOf(services, sdwanAccessGrants, grantId);
  if (grant.tokenDigest !== sha256Hex(token)) throw new RefusedError(toldAlready(grant));
  return { grantId, token, bootstrap_url: `${publicUrl(services.config)}/api/v1/sdwan/bootstrap/${token}` };
};

export const registerGrantTools = (registrar: ToolRegistrar, services: SdwanToolServices): void => {
  const { readModels, clock } = services;
  const show = async (id: string) => grantView(await documentOf(services, sdwanAccessGrants, id), clock.wallMs());

  registrar.add(tools.createAccessGrant, async (input, call) => {
    const { grantId, ...told } = await makeGrant(services, call, input);
    return { grant: await show(grantId), ...told };
  });
  registrar.add(tools.listAccessGrants, async (input, call) => {
    const network =
      input.network_id === undefined ? undefined : (await findNetwork(readModels, call.accountId, input.network_id)).id;
    const where = { account: call.accountId, ...(network === undefined ? {} : { network_id: network }) };
    const { docs, next_cursor } = await pageOf(readModels, sdwanAccessGrants, where, input);
    return { grants: docs.map((doc) => grantView(doc, clock.wallMs())), next_cursor };
  });
  registrar.add(tools.revokeAccessGrant, async (input, call) => {
    const { id } = await findGrant(readModels, call.accountId, input.grant_id);
    await call.run(RevokeAccessGrant, { grant_id: id, reason: input.reason });
    await call.settle(sdwanAccessGrants);
    return { revoked: true, grant: await show(id) };
  });
};

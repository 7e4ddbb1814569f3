import { deterministicId, sha256Hex } from '#kernel';
import type { ToolRegistrar } from '#tools';
import { CreateAccessGrant, RevokeAccessGrant } from '../application/commands.js';
import { grantToken, publicUrl } from '../application/grant-token.js';
import { sdwanAccessGrants } from '../projections/access-grants.js';
import { documentOf, findGrant, findNetwork, pageOf } from './find.js';
import type { SdwanToolServices } from './services.js';
import * as tools from './vip-definitions.js';
import { grantView } from './views.js';

export const registerGrantTools = (registrar: ToolRegistrar, services: SdwanToolServices): void => {
  const { readModels, clock, random, config } = services;
  const show = async (id: string) => grantView(await documentOf(services, sdwanAccessGrants, id), clock.wallMs());

  registrar.add(tools.createAccessGrant, async (input, call) => {
    const network = await findNetwork(readModels, call.accountId, input.network_id);
    const grantId = deterministicId('access_grant', call.context.commandId);
    const token = grantToken(grantId, random);
    await call.run(CreateAccessGrant, {
      network_id: network.id,
      grant_id: grantId,
      name: input.name ?? `device-${grantId.slice(-8)}`,
      tags: input.tags,
      token_digest: sha256Hex(token),
      expires_at_ms: call.context.nowMs + input.ttl_seconds * 1000,
    });
    await call.settle(sdwanAccessGrants);
    return { grant: await show(grantId), token, bootstrap_url: `${publicUrl(config)}/api/v1/sdwan/bootstrap/${token}` };
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

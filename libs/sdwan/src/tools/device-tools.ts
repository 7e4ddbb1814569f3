import { isoTime } from '#kernel';
import { statusOfState, type ToolRegistrar } from '#tools';
import { RevokeAccessGrant } from '../application/commands.js';
import { sdwanAccessGrants } from '../projections/access-grants.js';
import { sdwanPeers, type PeerDoc } from '../projections/peers.js';
import * as tools from './device-definitions.js';
import { documentOf, findDeviceGrant, findNetwork, pageOf } from './find.js';
import { makeGrant } from './grant-tools.js';
import type { SdwanToolServices } from './services.js';
import { grantView } from './views.js';

const deviceView = (doc: PeerDoc, heardMs: number | undefined) => {
  const { attached, publicKey } = doc.state;
  return {
    id: doc.id,
    name: doc.name,
    network_id: doc.network_id,
    grant_id: attached.grant_id,
    status: doc.status,
    address_v6: attached.address_v6,
    address_v4: attached.address_v4,
    public_key: publicKey,
    tags: [...attached.tags],
    last_handshake_at: heardMs === undefined ? null : isoTime(heardMs),
    created_at: doc.created_at,
    // No agent stands for it, so nothing is heard of what it has taken in.
    ...statusOfState({
      state: doc.status,
      ready: ['connected'],
      progressing: ['pending', 'handshaking'],
      // A laptop that is shut is no trouble.
      resting: ['silent', 'removed'],
      error: doc.state.overdue?.reason ?? null,
    }),
  };
};

/** Operators' own devices: each comes in through a grant and goes out with it. */
export const registerDeviceTools = (registrar: ToolRegistrar, services: SdwanToolServices): void => {
  const { readModels, clock, failover, lastHandshakeMs } = services;
  const view = (doc: PeerDoc) => deviceView(doc, lastHandshakeMs(doc.id));
  const grant = async (id: string) => grantView(await documentOf(services, sdwanAccessGrants, id), clock.wallMs());

  registrar.add(tools.issueUserDevice, async (input, call) => {
    const { grantId, ...told } = await makeGrant(services, call, input);
    return { grant: await grant(grantId), ...told };
  });
  registrar.add(tools.listUserDevices, async (input, call) => {
    const network =
      input.network_id === undefined ? undefined : (await findNetwork(readModels, call.accountId, input.network_id)).id;
    const { docs, next_cursor } = await pageOf(
      readModels,
      sdwanPeers,
      { account: call.accountId, ...(network === undefined ? {} : { network_id: network }) },
      input,
      (doc) => doc.state.attached.kind === 'device' && (input.include_removed || doc.status !== 'removed'),
    );
    return { devices: docs.map(view), next_cursor };
  });
  registrar.add(tools.revokeUserDevice, async (input, call) => {
    await failover.caughtUp();
    const found = await findDeviceGrant(readModels, call.accountId, input.device_id, failover.model);
    await call.run(RevokeAccessGrant, { grant_id: found.id, reason: input.reason });
    await call.settle(sdwanAccessGrants, sdwanPeers);
    const after = await grant(found.id);
    // None either when the platform was killed between the token's use and the peer.
    const doc = after.peer_id === null ? undefined : await readModels.get(sdwanPeers, after.peer_id);
    return { revoked: true, grant: after, device: doc === undefined ? null : view(doc) };
  });
};

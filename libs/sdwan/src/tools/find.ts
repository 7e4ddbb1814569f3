import { findInstance, resolveByIdOrName } from '#fleet';
import type { Projection, ReadModels } from '#processing';
import type { EventStore } from '#event-store';
import type { SdwanModel } from '../application/sdwan-model.js';
import { sdwanAccessGrants } from '../projections/access-grants.js';
import { sdwanFirewallRules } from '../projections/firewall-rules.js';
import { sdwanNetworks } from '../projections/networks.js';
import { sdwanPeers } from '../projections/peers.js';
import { sdwanVirtualIps } from '../projections/virtual-ips.js';

export const findNetwork = (models: ReadModels, account: string, wanted: string) =>
  resolveByIdOrName(models, sdwanNetworks, wanted, {
    account,
    kind: 'network',
    field: 'network_id',
    listTool: 'system_sdwan_list_networks',
    describe: ({ id, name }) => ({ id, name }),
    alsoCalled: ({ handle }) => [handle],
  });

/** A peer by id, or by its instance's id or name; with several networks the network must be named. */
export const findPeer = (models: ReadModels, account: string, wanted: string, networkId?: string, field = 'peer_id') =>
  resolveByIdOrName(models, sdwanPeers, wanted, {
    account,
    kind: 'peer',
    field,
    listTool: 'system_sdwan_list_peers',
    describe: ({ id, name, network_id }) => ({ id, name: networkId === undefined ? `${name} in ${network_id}` : name }),
    alsoCalled: ({ instance_id, name, state }) => [
      name,
      state.attached.address_v6,
      ...(instance_id === null ? [] : [instance_id]),
    ],
    prefer: ({ status }) => status !== 'removed',
    ...(networkId === undefined ? {} : { where: { network_id: networkId } }),
  });

/** By id, name or purpose: the tutorial asks for `k3s_api_endpoint`, which is a purpose. */
export const findVirtualIp = (
  models: ReadModels,
  account: string,
  wanted: string,
  { networkId, field = 'virtual_ip_id' }: { readonly networkId?: string; readonly field?: string } = {},
) =>
  resolveByIdOrName(models, sdwanVirtualIps, wanted, {
    account,
    kind: 'virtual_ip',
    field,
    ...(networkId === undefined ? {} : { where: { network_id: networkId } }),
    listTool: 'system_sdwan_list_virtual_ips',
    describe: ({ id, name }) => ({ id, name }),
    alsoCalled: ({ purpose, vip }) => [purpose, vip.address],
    prefer: ({ state }) => state !== 'released',
  });

export const findFirewallRule = (models: ReadModels, account: string, wanted: string) =>
  resolveByIdOrName(models, sdwanFirewallRules, wanted, {
    account,
    kind: 'firewall_rule',
    field: 'firewall_rule_id',
    listTool: 'system_sdwan_list_firewall_rules',
    describe: ({ id, name }) => ({ id, name }),
    prefer: ({ status }) => status !== 'deleted',
  });

export const findGrant = (models: ReadModels, account: string, wanted: string) =>
  resolveByIdOrName(models, sdwanAccessGrants, wanted, {
    account,
    kind: 'access_grant',
    field: 'grant_id',
    listTool: 'system_sdwan_list_access_grants',
    describe: ({ id, name }) => ({ id, name }),
    prefer: ({ status }) => status !== 'revoked',
  });

/** An operator's device through the grant that let it in, or is to let it in: by either's id, name or address. */
export const findDeviceGrant = (models: ReadModels, account: string, wanted: string, model: SdwanModel) =>
  resolveByIdOrName(models, sdwanAccessGrants, wanted, {
    account,
    kind: 'user_device',
    field: 'device_id',
    listTool: 'system_sdwan_list_user_devices',
    describe: ({ id, name }) => ({ id, name }),
    alsoCalled: ({ grant: { peerId } }) => {
      const peer = peerId === null ? undefined : model.peer(peerId);
      return peerId === null
        ? []
        : [peerId, ...(peer === undefined ? [] : [peer.name, peer.addressV6, peer.addressV4])];
    },
    prefer: ({ status }) => status !== 'revoked',
  });

export { findInstance };

/** A document from the read model, or folded from its own stream while the read model does not know it yet. */
export const documentOf = async <D extends object>(
  services: { readonly readModels: ReadModels; readonly store: EventStore },
  projection: Projection<D>,
  id: string,
): Promise<D> => {
  const stored = await services.readModels.get(projection, id);
  if (stored !== undefined) return stored;
  let doc: D | undefined;
  for await (const event of services.store.readStream(id)) doc = projection.fold(doc, event, id);
  if (doc === undefined) throw new Error(`${projection.name} has no document ${id}, and its stream makes none`);
  return doc;
};

/** One page with the cursor of the next; `shown` filters what the query cannot. */
export const pageOf = async <D extends { readonly id: string }>(
  models: ReadModels,
  projection: Projection<D>,
  where: Readonly<Record<string, string>>,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  shown: (doc: D) => boolean = () => true,
): Promise<{ readonly docs: readonly D[]; readonly next_cursor: string | null }> => {
  const docs: D[] = [];
  let after = cursor;
  for (;;) {
    const batch = await models.find(projection, { where, limit: limit + 1, ...(after === undefined ? {} : { after }) });
    for (const doc of batch) {
      if (shown(doc) && docs.push(doc) > limit) return { docs: docs.slice(0, limit), next_cursor: docs[limit - 1]!.id };
    }
    if (batch.length <= limit) return { docs, next_cursor: null };
    after = batch.at(-1)!.id;
  }
};

import type { ToolCall, ToolRegistrar } from '#tools';
import {
  AttachPeer,
  CreateNetwork,
  DeleteNetwork,
  DetachPeer,
  UpdateNetwork,
  UpdatePeer,
} from '../application/commands.js';
import type { RoutingMode } from '../domain/events.js';
import { sdwanNetworks } from '../projections/networks.js';
import { sdwanPeers } from '../projections/peers.js';
import * as tools from './network-definitions.js';
import { documentOf, findInstance, findNetwork, findPeer, pageOf } from './find.js';
import type { SdwanToolServices } from './services.js';
import { networkView, peerView } from './views.js';

/** `static` is what the origin calls a hub. */
const modeOf = (input: RoutingMode | 'static' | null): RoutingMode | null => (input === 'static' ? 'hub' : input);

export const registerNetworkTools = (registrar: ToolRegistrar, services: SdwanToolServices): void => {
  const { readModels, failover } = services;
  const show = async (id: string) => {
    await failover.caughtUp();
    return { network: networkView(await documentOf(services, sdwanNetworks, id), services) };
  };
  const update = async (wanted: string, change: Omit<UpdateNetwork['payload'], 'network_id'>, call: ToolCall) => {
    const { id } = await findNetwork(readModels, call.accountId, wanted);
    await call.run(UpdateNetwork, { network_id: id, ...change });
    await call.settle(sdwanNetworks);
    return show(id);
  };

  registrar.add(tools.createNetwork, async ({ name, routing_mode, pod_subnet_prefix }, call) => {
    const payload = { name, routing_mode: modeOf(routing_mode ?? null), pod_subnet_prefix: pod_subnet_prefix ?? null };
    const { network_id } = await call.run(CreateNetwork, payload);
    await call.settle(sdwanNetworks);
    return show(network_id);
  });
  registrar.add(tools.getNetwork, async ({ network_id }, call) =>
    show((await findNetwork(readModels, call.accountId, network_id)).id),
  );
  registrar.add(tools.listNetworks, async (input, call) => {
    const { docs, next_cursor } = await pageOf(readModels, sdwanNetworks, { account: call.accountId }, input);
    await failover.caughtUp();
    return { networks: docs.map((doc) => networkView(doc, services)), next_cursor };
  });
  registrar.add(tools.updateNetwork, ({ network_id, name, routing_mode, pod_subnet_prefix }, call) =>
    update(
      network_id,
      {
        ...(name === undefined ? {} : { name }),
        ...(routing_mode === undefined ? {} : { routing_mode: modeOf(routing_mode) }),
        ...(pod_subnet_prefix === undefined ? {} : { pod_subnet_prefix }),
      },
      call,
    ),
  );
  registrar.add(tools.updateRoutingMode, ({ network_id, routing_mode }, call) =>
    update(network_id, { routing_mode: modeOf(routing_mode) }, call),
  );
  registrar.add(tools.deleteNetwork, async (input, call) => {
    const { id } = await findNetwork(readModels, call.accountId, input.network_id);
    await call.run(DeleteNetwork, { network_id: id });
    await call.settle(sdwanNetworks);
    return { deleted: true, network_id: id };
  });
};

export const registerPeerTools = (registrar: ToolRegistrar, services: SdwanToolServices): void => {
  const { readModels, failover } = services;
  const networkOf = async (account: string, wanted: string | undefined) =>
    wanted === undefined ? undefined : (await findNetwork(readModels, account, wanted)).id;

  registrar.add(tools.attachPeer, async (input, call) => {
    const { network_id: wanted, node_instance_id, ...rest } = input;
    const network = await findNetwork(readModels, call.accountId, wanted);
    const instance = await findInstance(readModels, call.accountId, node_instance_id, 'node_instance_id');
    const { peer_id } = await call.run(AttachPeer, { network_id: network.id, instance_id: instance.id, ...rest });
    await call.settle(sdwanPeers);
    await failover.caughtUp();
    return { attached: true, peer: peerView(await documentOf(services, sdwanPeers, peer_id), services) };
  });
  registrar.add(tools.updatePeer, async ({ peer_id, network_id, ...change }, call) => {
    const { id } = await findPeer(readModels, call.accountId, peer_id, await networkOf(call.accountId, network_id));
    await call.run(UpdatePeer, { peer_id: id, ...change });
    await call.settle(sdwanPeers);
    await failover.caughtUp();
    return { peer: peerView(await documentOf(services, sdwanPeers, id), services) };
  });
  registrar.add(tools.detachPeer, async (input, call) => {
    const network = await networkOf(call.accountId, input.network_id);
    const { id } = await findPeer(readModels, call.accountId, input.peer_id, network);
    await call.run(DetachPeer, { peer_id: id, reason: 'detached by an operator' });
    await call.settle(sdwanPeers);
    return { detached: true, peer_id: id };
  });
  registrar.add(tools.listPeers, async (input, call) => {
    const network = await networkOf(call.accountId, input.network_id);
    const where = { account: call.accountId, ...(network === undefined ? {} : { network_id: network }) };
    const { docs, next_cursor } = await pageOf(
      readModels,
      sdwanPeers,
      where,
      input,
      (doc) => input.include_removed || doc.status !== 'removed',
    );
    await failover.caughtUp();
    return { peers: docs.map((doc) => peerView(doc, services)), next_cursor };
  });
  registrar.add(tools.getPeer, async (input, call) => {
    const network = await networkOf(call.accountId, input.network_id);
    const doc = await findPeer(readModels, call.accountId, input.peer_id, network);
    await failover.caughtUp();
    return { peer: peerView(doc, services) };
  });
};

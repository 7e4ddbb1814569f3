import { canonicalJson, refusal, RefusedError, sha256Hex } from '#kernel';
import type { ToolRegistrar } from '#tools';
import { modelAt } from '../application/model-at.js';
import type { SdwanModel } from '../application/sdwan-model.js';
import { compileBgp } from '../domain/ibgp/compile.js';
import { configText } from '../domain/ibgp/config.js';
import { hostCidr } from '../domain/ip.js';
import type { NetworkView, PeerView } from '../domain/wireguard-compiler/model.js';
import { effectiveMode, endpointsOf, hubsOf, isHub, reachOf } from '../domain/wireguard-compiler/topology.js';
import { findNetwork, findPeer } from './find.js';
import * as tools from './insight-definitions.js';
import { routingView } from './routing-view.js';
import type { SdwanToolServices } from './services.js';
import { receiptView } from './views.js';

const MAX_LINKS = 2_000;

export const registerInsightTools = (registrar: ToolRegistrar, services: SdwanToolServices): void => {
  const { readModels, failover } = services;
  const networkOf = async (account: string, wanted: string, at: string | undefined): Promise<NetworkView> => {
    const { id } = await findNetwork(readModels, account, wanted);
    await failover.caughtUp();
    const model = at === undefined ? failover.model : await modelAt(services.store, at, services.config);
    const network = model.networks.get(id);
    if (network === undefined && at !== undefined)
      throw new RefusedError(
        refusal(404, 'network_not_found', `network ${wanted} was not there at ${at}`, { field: 'at' }),
      );
    if (network === undefined)
      throw new RefusedError(refusal(503, 'model_behind', `network ${id} is not folded yet`, { hint: 'call again' }));
    return network;
  };
  registrar.add(tools.getTopology, async (input, call) =>
    topology(await networkOf(call.accountId, input.network_id, input.at), services, input.at === undefined),
  );
  registrar.add(tools.getRoutingSummary, async (input, call) => {
    const network = await networkOf(call.accountId, input.network_id, input.at);
    if (input.at !== undefined) return routingSummary(network, new Map(), () => undefined);
    return routingSummary(network, failover.coordinator.lastWord, (id) => services.routing.get(id));
  });
  registrar.add(tools.previewPeerConfig, async (input, call) => {
    const network =
      input.network_id === undefined ? undefined : (await findNetwork(readModels, call.accountId, input.network_id)).id;
    const { id } = await findPeer(readModels, call.accountId, input.peer_id, network);
    await failover.caughtUp();
    const model = input.at === undefined ? failover.model : await modelAt(services.store, input.at, services.config);
    return preview(model, id, input.at);
  });
};

/** What nodes have applied is not in the log: of a time that is over it is not told. */
const unheard = { applied_generation: null, behind: null, last_error: null };

const topology = (network: NetworkView, services: SdwanToolServices, isNow: boolean) => {
  const mode = effectiveMode(network);
  const peers = [...network.peers.values()];
  const links: {
    a: string;
    b: string;
    kind: 'direct' | 'via_hub' | 'unreachable';
    via: string | null;
    reason: string | null;
  }[] = [];
  let unreachable = 0;
  let truncated = false;
  peers.forEach((a, i) => {
    for (const b of peers.slice(i + 1)) {
      const reach = reachOf(network, a, b);
      if (reach.kind === 'unreachable') unreachable++;
      if (links.length >= MAX_LINKS) truncated = true;
      else
        links.push({
          a: a.peerId,
          b: b.peerId,
          kind: reach.kind,
          via: reach.kind === 'via_hub' ? reach.hubPeerId : null,
          reason: reach.kind === 'unreachable' ? reach.reason : null,
        });
    }
  });
  const role = (peer: PeerView) => (mode === 'mesh' ? 'peer' : isHub(peer) ? 'hub' : 'spoke');
  return {
    network_id: network.networkId,
    effective_mode: mode,
    hubs: mode === 'hub' ? hubsOf(network).map((hub) => hub.peerId) : [],
    peers: peers.map((peer) => ({
      id: peer.peerId,
      name: peer.name,
      kind: peer.kind,
      role: role(peer) as 'peer' | 'hub' | 'spoke',
      endpoints: endpointsOf(peer, network),
      lan_subnets: [...peer.lanSubnets],
      ...(isNow ? receiptView(peer.instanceId, network.networkId, services) : unheard),
    })),
    links,
    unreachable,
    truncated,
  };
};

const routingSummary = (
  network: NetworkView,
  lastWord: ReadonlyMap<string, string>,
  reportOf: Parameters<typeof routingView>[1],
) => {
  const peers = [...network.peers.values()];
  const vips = [...network.virtualIps.values()];
  const own = (prefix: string, kind: 'network' | 'pods') => ({ prefix, kind, peer_id: null, name: network.name });
  return {
    network_id: network.networkId,
    routing_mode: network.routingMode,
    effective_mode: effectiveMode(network),
    ibgp: routingView(network, reportOf),
    prefixes: [
      own(network.cidr64, 'network'),
      own(network.cidrV4, 'network'),
      ...(network.podSubnetPrefix === null ? [] : [own(network.podSubnetPrefix, 'pods')]),
      ...peers.flatMap((peer) => [
        ...[peer.addressV6, peer.addressV4].map((a) => ({
          prefix: hostCidr(a),
          kind: 'peer' as const,
          peer_id: peer.peerId,
          name: peer.name,
        })),
        ...peer.podCidrs.map((prefix) => ({
          prefix,
          kind: 'pods' as const,
          peer_id: peer.peerId,
          name: peer.name,
        })),
        ...peer.lanSubnets.map((prefix) => ({
          prefix,
          kind: 'lan' as const,
          peer_id: peer.peerId,
          name: peer.name,
        })),
      ]),
      ...vips.map((vip) => ({
        prefix: hostCidr(vip.address),
        kind: 'virtual_ip' as const,
        peer_id: vip.holder?.peer_id ?? null,
        name: vip.name,
      })),
    ],
    virtual_ips: vips.map((vip) => ({
      id: vip.virtualIpId,
      name: vip.name,
      address: vip.address,
      holder: vip.holder?.instance_id ?? null,
      epoch: vip.epoch,
      state: vip.status,
      last_word: lastWord.get(vip.virtualIpId) ?? null,
    })),
  };
};

const frrOf = (network: NetworkView, peerId: string) => {
  const bgp = compileBgp(network, network.peers.get(peerId)!);
  if (bgp === undefined) return null;
  const { role, neighbors, bgpd, bfdd } = bgp;
  return { role, neighbors: neighbors.map((n) => n.peer_id), bgpd: configText(bgpd), bfdd: configText(bfdd) };
};

const preview = (model: SdwanModel, peerId: string, at: string | undefined) => {
  const found = model.compilePeer(peerId);
  if (found === undefined)
    throw new RefusedError(
      refusal(
        404,
        'peer_not_found',
        at === undefined ? `peer ${peerId} is detached` : `peer ${peerId} was not attached at ${at}`,
        {
          field: at === undefined ? 'peer_id' : 'at',
        },
      ),
    );
  const { compiled, network } = found;
  const { name, addresses, listen_port, mtu } = compiled.interface;
  const vipsOf = (id: string) =>
    compiled.vips.filter((vip) => vip.route_peer_id === id).map((vip) => hostCidr(vip.address));
  const shown = {
    interface: { name, addresses: [...addresses], listen_port, mtu },
    peers: compiled.peers.map((peer) => ({
      peer_id: peer.peer_id,
      public_key: peer.public_key,
      next_public_key: peer.next_public_key ?? null,
      endpoint: peer.endpoints[0] ?? null,
      endpoints: [...peer.endpoints],
      allowed_ips: [...peer.allowed_ips, ...vipsOf(peer.peer_id)],
      persistent_keepalive: peer.persistent_keepalive,
    })),
    routes: compiled.routes.map(({ prefix, kind }) => ({ prefix, kind, dev: kind === 'device' ? name : null })),
    vips_held: compiled.vips
      .filter((vip) => vip.role === 'holder')
      .map((vip) => ({ id: vip.vip_id, address: vip.address, epoch: vip.epoch })),
    firewall: {
      policy: 'accept' as const,
      rules: compiled.firewall.map(({ order: _, ports, source, destination, ...rule }) => ({
        ...rule,
        ports: ports === null ? null : [...ports],
        source: source === null ? null : [...source],
        destination: destination === null ? null : [...destination],
      })),
    },
    frr: frrOf(network, peerId),
  };
  const hash = sha256Hex(canonicalJson(shown));
  // Of what the peer is told, not of the log: a position would tell how much happens in other accounts.
  return { ...shown, generation: sha256Hex(`generation|${peerId}|${hash}`).slice(0, 16), hash };
};

import { isoTime } from '#kernel';
import { statusOfState } from '#tools';
import type { KeyRotator } from '../application/key-rotator.js';
import type { MutableNetwork } from '../application/model-fold.js';
import { hostCidr } from '../domain/ip.js';
import type { PeerView } from '../domain/wireguard-compiler/model.js';
import { effectiveMode, endpointsOf } from '../domain/wireguard-compiler/topology.js';
import { nextAction } from '../domain/virtual-ip/outlook.js';
import type { AccessGrantDoc } from '../projections/access-grants.js';
import type { NetworkDoc } from '../projections/networks.js';
import type { PeerDoc } from '../projections/peers.js';
import type { VirtualIpDoc } from '../projections/virtual-ips.js';
import { networkGenerations, peerGenerations } from './generations.js';
import type { SdwanToolServices } from './services.js';

/** What the log tells of a network at any time; the rest is known to live parts only. */
export const networkAtRest = (doc: NetworkDoc) => ({
  id: doc.id,
  name: doc.name,
  handle: doc.handle,
  cidr_64: doc.cidr_64,
  cidr_v4: doc.cidr_v4,
  routing_mode: doc.routing_mode,
  pod_subnet_prefix: doc.pod_subnet_prefix,
  created_at: doc.created_at,
  interface_name: `wg-sdwan-${doc.handle}`,
});

export const networkView = (doc: NetworkDoc, { failover: { model }, rotator }: SdwanToolServices) => {
  const live = model.networks.get(doc.id);
  return {
    ...networkAtRest(doc),
    effective_mode: live === undefined ? ('mesh' as const) : effectiveMode(live),
    peer_count: live?.peers.size ?? 0,
    ...statusOfState({
      state: 'defined',
      ready: ['defined'],
      progressing: [],
      since: doc.created_at,
      ...networkGenerations(model, doc.id, (instanceId) => rotator.liveness(instanceId)),
    }),
  };
};

/** Nothing of an operator's device, which has no agent. */
export const receiptView = (instanceId: string | null, networkId: string, { rotator, failover }: SdwanToolServices) => {
  const section = `network/${networkId}`;
  const known = instanceId === null ? undefined : rotator.liveness(instanceId);
  const applied = known?.applied.get(section);
  const sent = known?.sent?.get(section);
  return {
    applied_generation: applied === undefined ? null : String(failover.model.generations.at(networkId, applied)),
    behind: sent === undefined ? null : (applied ?? 0n) < sent,
    last_error: known?.problems?.get(section)?.join('; ') ?? null,
  };
};

export const rotationView = (peer: PeerView | undefined, network: MutableNetwork | undefined, rotator: KeyRotator) => {
  if (peer === undefined || network === undefined || peer.keys.rotation === null) return null;
  const { phase, reason } = peer.keys.rotation;
  const waiting = rotator.plan(network).waiting.get(peer.peerId) ?? [];
  return {
    phase,
    reason,
    since: isoTime(peer.keys.atMs),
    waiting_for: waiting.map(({ peerId, why }) => ({ peer_id: peerId, why })),
  };
};

/** Nobody stands for a device, and for a peer that is no more. */
const heardOf = ({ instance_id: id, status }: PeerDoc, { rotator }: SdwanToolServices) =>
  id === null || status === 'removed' ? undefined : rotator.liveness(id);

/** What the log tells of a peer at any time. */
export const peerAtRest = (doc: PeerDoc) => {
  const { attached, publicKey, listenPort, podCidrs } = doc.state;
  return {
    id: doc.id,
    network_id: doc.network_id,
    kind: attached.kind,
    name: doc.name,
    node_instance_id: doc.instance_id,
    host_address: attached.address_v6,
    assigned_address: hostCidr(attached.address_v6),
    address_v4: attached.address_v4,
    publicly_reachable: attached.publicly_reachable,
    endpoint_host: attached.endpoint_host,
    endpoint_port: attached.endpoint_port,
    listen_port: listenPort,
    public_key: publicKey,
    status: doc.status,
    pod_cidrs: [...podCidrs],
    lan_subnets: [...doc.state.lanSubnets],
    lan_masquerade: doc.state.lanMasquerade,
    tags: attached.tags,
    created_at: doc.created_at,
  };
};

export const peerView = (doc: PeerDoc, services: SdwanToolServices) => {
  const { model } = services.failover;
  const network = model.networks.get(doc.network_id);
  const live = network?.peers.get(doc.id);
  const [effective] = network === undefined || live === undefined ? [] : endpointsOf(live, network);
  return {
    ...peerAtRest(doc),
    effective_endpoint: effective ?? null,
    key_since: live === undefined || live.publicKey === null ? null : isoTime(live.keys.sinceMs),
    key_rotation: rotationView(live, network, services.rotator),
    ...receiptView(doc.instance_id, doc.network_id, services),
    ...statusOfState({
      state: doc.status,
      ready: ['connected'],
      progressing: ['pending', 'handshaking'],
      resting: ['removed'],
      error: doc.state.overdue?.reason ?? null,
      ...peerGenerations(model, doc.network_id, heardOf(doc, services)),
    }),
  };
};

export const virtualIpView = (doc: VirtualIpDoc) => ({
  id: doc.id,
  name: doc.name,
  purpose: doc.purpose,
  network_id: doc.network_id,
  cluster_id: doc.cluster_id,
  address: doc.vip.address,
  holders: doc.vip.holder === null ? [] : [doc.vip.holder.instance_id],
  holder_peer_ids: doc.vip.holder === null ? [] : [doc.vip.holder.peer_id],
  epoch: doc.vip.epoch,
  state: doc.state,
  candidates: doc.vip.candidates.map(({ instance_id, peer_id }) => ({ instance_id, peer_id })),
  last_move:
    doc.last_move === null
      ? null
      : { ...doc.last_move, acks_ms: { ...doc.last_move.acks_ms }, unacked: [...doc.last_move.unacked] },
  next_action: nextAction(doc.vip),
  created_at: doc.created_at,
  ...statusOfState({
    state: doc.state,
    ready: ['active'],
    progressing: ['reserved', 'moving'],
    since: doc.last_move?.at ?? doc.created_at,
    generation: doc.vip.epoch,
  }),
});

export const movesView = ({ moves }: VirtualIpDoc) =>
  moves.map((move) => ({ ...move, acks_ms: { ...move.acks_ms }, unacked: [...move.unacked] }));

/** Nobody has to carry it out but whoever has its URL: it has no generation. */
const grantStatus = (doc: AccessGrantDoc, nowMs: number) =>
  doc.status === 'pending' && nowMs >= doc.grant.expiresAtMs ? ('expired' as const) : doc.status;

export const grantView = (doc: AccessGrantDoc, nowMs: number) => ({
  id: doc.id,
  network_id: doc.network_id,
  name: doc.name,
  tags: [...doc.grant.tags],
  status: grantStatus(doc, nowMs),
  peer_id: doc.grant.peerId,
  expires_at: isoTime(doc.grant.expiresAtMs),
  created_at: doc.created_at,
  created_by: doc.created_by,
  revoked_reason: doc.revoked_reason,
  ...statusOfState({
    state: grantStatus(doc, nowMs),
    ready: ['active'],
    progressing: ['pending'],
    resting: ['expired', 'revoked'],
    since: doc.status === 'pending' ? doc.created_at : null,
  }),
});

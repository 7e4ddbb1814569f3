import { accept, assertNever, nothing, refusal, reject, type Decider, type Decision } from '#kernel';
import {
  PeerAttached,
  PeerConnected,
  PeerDetached,
  PeerDriftRepaired,
  PeerEndpointsReported,
  PeerKeyAnnounced,
  PeerOverdue,
  PeerPodCidrAssigned,
  PeerPodCidrUnassigned,
  PeerSilent,
  PeerUpdated,
} from './events.js';
import { decideRotation, switchedTo, type RotationCommand } from './key-rotation.js';
import { peerAdvice, type PeerStage } from './outlook.js';
import { badKey, isPublicKey } from './public-key.js';
import { evolvePeer, initialPeer, isInStage, type PeerAttachedData, type PeerEvent, type PeerState } from './state.js';

export type PeerCommand =
  | { readonly kind: 'attach'; readonly data: PeerAttachedData; readonly lan?: Lan }
  | { readonly kind: 'update'; readonly change: PeerChange }
  | RotationCommand
  | { readonly kind: 'announce_key'; readonly publicKey: string; readonly listenPort: number }
  | { readonly kind: 'report_endpoints'; readonly underlay: readonly string[] }
  | { readonly kind: 'assign_pod_cidr'; readonly podCidr: string }
  | { readonly kind: 'unassign_pod_cidr'; readonly podCidr: string }
  | { readonly kind: 'drift_repaired'; readonly what: readonly string[] }
  | { readonly kind: 'connected' }
  | { readonly kind: 'silent' }
  | RecordOverdue
  | { readonly kind: 'detach'; readonly reason: string };

/** The peer has been in the stage that began at `since` for too long. */
export interface RecordOverdue {
  readonly kind: 'overdue';
  readonly stage: PeerStage;
  readonly since: string;
  readonly boundMs: number;
}

export interface Lan {
  /** Canonical; claimed already. */
  readonly subnets: readonly string[];
  readonly masquerade: boolean;
}
export interface PeerChange {
  readonly endpointHost?: string | null;
  readonly endpointPort?: number | null;
  readonly lanSubnets?: readonly string[];
  readonly lanMasquerade?: boolean;
}

export const peerDecider: Decider<PeerState, PeerCommand, PeerEvent> = {
  initial: initialPeer,
  evolve: evolvePeer,
  decide(command, state): Decision<PeerEvent> {
    if (command.kind === 'attach') return attach(command, state);
    if (state.status === 'none' || state.status === 'removed')
      return command.kind === 'detach'
        ? nothing('not_attached')
        : reject(refusal(404, 'peer_not_found', 'no such peer', { field: 'peer_id' }));
    const ids = { peer_id: state.attached.peer_id, network_id: state.attached.network_id };
    const more = linksOf(state.attached);
    switch (command.kind) {
      case 'announce_key':
        return announceKey(command, state, more);
      case 'request_rotation':
      case 'announce_next_key':
      case 'order_switch':
      case 'retire_key':
        return decideRotation(command, state, state.attached.kind, ids, more);
      case 'update':
        return update(command.change, state, ids, more);
      case 'report_endpoints':
        if (JSON.stringify(command.underlay) === JSON.stringify(state.underlay)) return nothing('unchanged');
        return accept(PeerEndpointsReported({ ...ids, underlay_addresses: [...command.underlay] }, more));
      case 'assign_pod_cidr':
        return state.podCidrs.includes(command.podCidr)
          ? nothing('unchanged')
          : accept(PeerPodCidrAssigned({ ...ids, pod_cidr: command.podCidr }, more));
      case 'unassign_pod_cidr':
        return state.podCidrs.includes(command.podCidr)
          ? accept(PeerPodCidrUnassigned({ ...ids, pod_cidr: command.podCidr }, more))
          : nothing('unchanged');
      case 'drift_repaired': {
        // The agent's own words: only those that are known.
        const what = DRIFTS.filter((kind) => command.what.includes(kind));
        return what.length === 0 ? nothing('unknown_drift') : accept(PeerDriftRepaired({ ...ids, what }, more));
      }
      case 'connected':
        return state.status === 'connected' ? nothing('unchanged') : accept(PeerConnected(ids, more));
      case 'silent':
        return state.status === 'connected' ? accept(PeerSilent(ids, more)) : nothing('unchanged');
      case 'overdue':
        return overdue(command, state, ids, more);
      case 'detach':
        return accept(PeerDetached({ ...ids, reason: command.reason }, more));
      default:
        return assertNever(command);
    }
  },
};

const overdue = (
  { stage, since, boundMs }: RecordOverdue,
  state: Exclude<PeerState, { status: 'none' }>,
  ids: { readonly peer_id: `sdwan_peer-${string}`; readonly network_id: `sdwan_network-${string}` },
  more: ReturnType<typeof linksOf>,
): Decision<PeerEvent> => {
  if (!isInStage(state, stage) || state.overdue?.since === since) return nothing('left_or_reported');
  const bound_seconds = Math.round(boundMs / 1_000);
  return accept(PeerOverdue({ ...ids, state: stage, since, bound_seconds, ...peerAdvice(stage) }, more));
};

const DRIFTS = ['peers', 'addresses and routes', 'firewall'] as const;

const linksOf = (a: PeerAttachedData) => ({
  links: { network: a.network_id, ...(a.instance_id === null ? {} : { instance: a.instance_id }) },
});

const attach = ({ data, lan }: Extract<PeerCommand, { kind: 'attach' }>, state: PeerState): Decision<PeerEvent> => {
  const { peer_id, network_id } = data;
  const more = linksOf(data);
  const behind = lan === undefined || lan.subnets.length === 0 ? [] : [lan];
  if (state.status === 'none')
    return accept<PeerEvent>(
      PeerAttached(data, more),
      ...behind.map(({ subnets, masquerade }) =>
        PeerUpdated({ peer_id, network_id, lan_subnets: [...subnets], lan_masquerade: masquerade }, more),
      ),
    );
  return state.status === 'removed'
    ? reject(refusal(409, 'peer_removed', 'this incarnation of the peer was detached', { hint: 'attach again' }))
    : nothing('already_attached');
};

/** Only what is different is written down. */
const update = (
  change: PeerChange,
  state: Exclude<PeerState, { status: 'none' }>,
  ids: { readonly peer_id: `sdwan_peer-${string}`; readonly network_id: `sdwan_network-${string}` },
  more: ReturnType<typeof linksOf>,
): Decision<PeerEvent> => {
  const { endpointHost: host, endpointPort: port, lanSubnets: lan, lanMasquerade: masquerade } = change;
  const { endpoint_host, endpoint_port } = state.attached;
  const changed = {
    ...(host !== undefined && host !== endpoint_host ? { endpoint_host: host } : {}),
    ...(port !== undefined && port !== endpoint_port ? { endpoint_port: port } : {}),
    ...(lan !== undefined && lan.join() !== state.lanSubnets.join() ? { lan_subnets: [...lan] } : {}),
    ...(masquerade !== undefined && masquerade !== state.lanMasquerade ? { lan_masquerade: masquerade } : {}),
  };
  if (Object.keys(changed).length === 0) return nothing('unchanged');
  return accept(PeerUpdated({ ...ids, ...changed }, more));
};

const announceKey = (
  command: Extract<PeerCommand, { kind: 'announce_key' }>,
  state: Exclude<PeerState, { status: 'none' }>,
  more: ReturnType<typeof linksOf>,
): Decision<PeerEvent> => {
  if (!isPublicKey(command.publicKey)) return reject(badKey('public_key'));
  if (!Number.isInteger(command.listenPort) || command.listenPort < 1 || command.listenPort > 65_535)
    return reject(refusal(400, 'listen_port_invalid', 'listen_port must be from 1 to 65535', { field: 'listen_port' }));
  if (command.publicKey === state.publicKey && command.listenPort === state.listenPort) return nothing('unchanged');
  const { peer_id, network_id } = state.attached;
  const switched = switchedTo(command.publicKey, state, { peer_id, network_id }, more);
  if (switched !== undefined && command.listenPort === state.listenPort) return switched;
  return accept(
    PeerKeyAnnounced(
      {
        peer_id: state.attached.peer_id,
        network_id: state.attached.network_id,
        public_key: command.publicKey,
        listen_port: command.listenPort,
      },
      more,
    ),
  );
};

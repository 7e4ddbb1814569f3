import type { EventOf } from '#kernel';
import {
  PeerAttached,
  PeerConnected,
  PeerDetached,
  PeerEndpointsReported,
  PeerKeyAnnounced,
  PeerOverdue,
  PeerPodCidrAssigned,
  PeerPodCidrUnassigned,
  PeerSilent,
  PeerUpdated,
  type peerEvents,
} from './events.js';
import { evolveKeys, type PeerKeys } from './key-rotation.js';
import type { PeerStage } from './outlook.js';

export type PeerEvent = EventOf<(typeof peerEvents)[number]>;
export type PeerAttachedData = EventOf<typeof PeerAttached>['data'];

export type PeerState =
  | { readonly status: 'none' }
  | (PeerKeys & {
      readonly status: 'pending' | 'handshaking' | 'connected' | 'silent' | 'removed';
      /** With the operator's later changes. */
      readonly attached: PeerAttachedData;
      readonly listenPort: number;
      readonly underlay: readonly string[];
      /** At most one of each family. */
      readonly podCidrs: readonly string[];
      readonly lanSubnets: readonly string[];
      readonly lanMasquerade: boolean;
      /** What was told of it: it has been in this stage for too long, since then. Null again once it leaves the stage. */
      readonly overdue: { readonly stage: PeerStage; readonly since: string; readonly reason: string } | null;
    });

/** Whether the peer is where it should not stay. */
export const isInStage = (peer: Exclude<PeerState, { status: 'none' }>, stage: PeerStage): boolean =>
  stage === 'changing_key' ? peer.rotation !== null && peer.status !== 'removed' : peer.status === stage;

export const initialPeer: PeerState = { status: 'none' };

/** Kubernetes gives a node one range of each address family; a new one takes the old one's place. */
export const withPodCidr = (known: readonly string[], added: string): readonly string[] =>
  [...known.filter((cidr) => cidr.includes(':') !== added.includes(':')), added].sort();

export const evolvePeer = (state: PeerState, event: PeerEvent): PeerState => {
  if (event.type === PeerAttached.type) {
    const attached = event.data as PeerAttachedData;
    const status = attached.public_key === null ? 'pending' : 'handshaking';
    return {
      status,
      attached,
      publicKey: attached.public_key,
      rotation: null,
      rotations: 0,
      listenPort: attached.listen_port,
      underlay: [],
      podCidrs: [],
      lanSubnets: [],
      lanMasquerade: false,
      overdue: null,
    };
  }
  if (state.status === 'none') return state;
  const next = evolveAttached({ ...state, ...evolveKeys(state, event) }, event);
  const hasLeft = next.overdue !== null && !isInStage(next, next.overdue.stage);
  return hasLeft ? { ...next, overdue: null } : next;
};

type Attached = Exclude<PeerState, { status: 'none' }>;

const evolveAttached = (state: Attached, event: PeerEvent): Attached => {
  switch (event.type) {
    case PeerKeyAnnounced.type: {
      const d = event.data as EventOf<typeof PeerKeyAnnounced>['data'];
      return { ...state, status: 'handshaking', listenPort: d.listen_port };
    }
    case PeerUpdated.type: {
      const d = event.data as EventOf<typeof PeerUpdated>['data'];
      const { endpoint_host = state.attached.endpoint_host, endpoint_port = state.attached.endpoint_port } = d;
      return {
        ...state,
        attached: { ...state.attached, endpoint_host, endpoint_port },
        lanSubnets: d.lan_subnets ?? state.lanSubnets,
        lanMasquerade: d.lan_masquerade ?? state.lanMasquerade,
      };
    }
    case PeerEndpointsReported.type:
      return { ...state, underlay: (event.data as EventOf<typeof PeerEndpointsReported>['data']).underlay_addresses };
    case PeerPodCidrAssigned.type:
      return {
        ...state,
        podCidrs: withPodCidr(state.podCidrs, (event.data as EventOf<typeof PeerPodCidrAssigned>['data']).pod_cidr),
      };
    case PeerPodCidrUnassigned.type: {
      const { pod_cidr } = event.data as EventOf<typeof PeerPodCidrUnassigned>['data'];
      return { ...state, podCidrs: state.podCidrs.filter((cidr) => cidr !== pod_cidr) };
    }
    case PeerConnected.type:
      return { ...state, status: 'connected' };
    case PeerSilent.type:
      return { ...state, status: 'silent' };
    case PeerOverdue.type: {
      const { state: stage, since, reason } = event.data as EventOf<typeof PeerOverdue>['data'];
      return { ...state, overdue: { stage, since, reason } };
    }
    case PeerDetached.type:
      return { ...state, status: 'removed' };
    default:
      return state;
  }
};

import type { EventOf } from '#kernel';
import {
  VirtualIpAllocated,
  VirtualIpCandidatesChanged,
  VirtualIpMoved,
  VirtualIpMoveFailed,
  VirtualIpMoveStarted,
  VirtualIpReleased,
  VirtualIpReserved,
  VirtualIpStranded,
  type MoveReason,
  type virtualIpEvents,
} from './events.js';

export type VirtualIpEvent = EventOf<(typeof virtualIpEvents)[number]>;

/** A candidate: an instance and its peer in the VIP's network. */
export interface Member {
  readonly instance_id: `instance-${string}`;
  readonly peer_id: `sdwan_peer-${string}`;
}
export interface Move {
  readonly epoch: number;
  readonly from: Member | null;
  readonly to: Member;
  readonly reason: MoveReason;
  readonly failed: boolean;
}

export type VirtualIpState =
  | { readonly status: 'none' }
  | {
      readonly status: 'reserved' | 'active' | 'moving' | 'stranded' | 'released';
      readonly virtualIpId: string;
      readonly networkId: string;
      readonly clusterId: string | null;
      readonly name: string;
      readonly purpose: string;
      readonly address: string;
      readonly candidates: readonly Member[];
      /** Who everybody routes to: while a move runs still the old holder; null when nobody does. */
      readonly holder: Member | null;
      readonly holderEpoch: number;
      /** The highest epoch ever started. */
      readonly epoch: number;
      readonly move: Move | null;
    };
export type LiveVirtualIp = Exclude<VirtualIpState, { status: 'none' }>;

export const initialVirtualIp: VirtualIpState = { status: 'none' };
export const sameMember = (a: Member | null, b: Member | null): boolean =>
  a?.instance_id === b?.instance_id && a?.peer_id === b?.peer_id;

const reserved = (d: EventOf<typeof VirtualIpReserved>['data']): VirtualIpState => ({
  status: 'reserved',
  virtualIpId: d.virtual_ip_id,
  networkId: d.network_id,
  clusterId: d.cluster_id,
  name: d.name,
  purpose: d.purpose,
  address: d.address,
  candidates: [],
  holder: null,
  holderEpoch: 0,
  epoch: 0,
  move: null,
});

export const evolveVirtualIp = (state: VirtualIpState, event: VirtualIpEvent): VirtualIpState => {
  if (event.type === VirtualIpReserved.type) return reserved(event.data as EventOf<typeof VirtualIpReserved>['data']);
  if (state.status === 'none') return state;
  switch (event.type) {
    case VirtualIpCandidatesChanged.type:
      return { ...state, candidates: (event.data as EventOf<typeof VirtualIpCandidatesChanged>['data']).candidates };
    case VirtualIpAllocated.type: {
      const d = event.data as EventOf<typeof VirtualIpAllocated>['data'];
      return { ...state, status: 'active', holder: d.holder, holderEpoch: d.epoch, epoch: d.epoch };
    }
    case VirtualIpMoveStarted.type: {
      const { epoch, from, to, reason } = event.data as EventOf<typeof VirtualIpMoveStarted>['data'];
      return { ...state, status: 'moving', epoch, move: { epoch, from, to, reason, failed: false } };
    }
    case VirtualIpMoved.type: {
      const d = event.data as EventOf<typeof VirtualIpMoved>['data'];
      return { ...state, status: 'active', holder: d.to, holderEpoch: d.epoch, move: null };
    }
    case VirtualIpMoveFailed.type:
      return state.move === null ? state : { ...state, move: { ...state.move, failed: true } };
    case VirtualIpStranded.type:
      return { ...state, status: 'stranded', holder: null, holderEpoch: state.epoch, move: null };
    case VirtualIpReleased.type:
      return { ...state, status: 'released', holder: null, candidates: [], move: null };
    default:
      return state;
  }
};

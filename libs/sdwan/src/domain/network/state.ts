import type { EventOf } from '#kernel';
import type { networkEvents, RoutingMode } from './events.js';
import { NetworkCreated, NetworkDeleted, NetworkUpdated } from './events.js';

export type NetworkEvent = EventOf<(typeof networkEvents)[number]>;

export type NetworkState =
  | { readonly status: 'none' }
  | {
      readonly status: 'active' | 'deleted';
      readonly networkId: string;
      readonly name: string;
      readonly handle: string;
      readonly cidr64: string;
      readonly cidrV4: string;
      readonly routingMode: RoutingMode | null;
      readonly podSubnetPrefix: string | null;
    };

export const initialNetwork: NetworkState = { status: 'none' };

export const evolveNetwork = (state: NetworkState, event: NetworkEvent): NetworkState => {
  if (event.type === NetworkCreated.type) {
    const d = event.data as EventOf<typeof NetworkCreated>['data'];
    return {
      status: 'active',
      networkId: d.network_id,
      name: d.name,
      handle: d.handle,
      cidr64: d.cidr_64,
      cidrV4: d.cidr_v4,
      routingMode: d.routing_mode,
      podSubnetPrefix: d.pod_subnet_prefix,
    };
  }
  if (state.status === 'none') return state;
  if (event.type === NetworkUpdated.type) {
    const d = event.data as EventOf<typeof NetworkUpdated>['data'];
    return {
      ...state,
      name: d.name ?? state.name,
      routingMode: d.routing_mode === undefined ? state.routingMode : d.routing_mode,
      podSubnetPrefix: d.pod_subnet_prefix === undefined ? state.podSubnetPrefix : d.pod_subnet_prefix,
    };
  }
  return event.type === NetworkDeleted.type ? { ...state, status: 'deleted' } : state;
};

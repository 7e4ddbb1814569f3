import { accept, nothing, refusal, reject, type Decider, type EventOf } from '#kernel';
import { PeerAttached, PeerDetached, type peerEvents } from '../peer/events.js';
import { PeerRoutingStarted, PeerRoutingStatic, type ibgpEvents } from './events.js';

/** What provides the daemon, by the name an operator installs it by. */
export const FRR_PACKAGE = 'frr';

export type RoutingEvent = EventOf<(typeof peerEvents)[number] | (typeof ibgpEvents)[number]>;
export type RoutingCommand =
  | { readonly kind: 'routing_started'; readonly daemon: string }
  | { readonly kind: 'routing_static'; readonly reason: string };

interface Ids {
  readonly peer_id: `sdwan_peer-${string}`;
  readonly network_id: `sdwan_network-${string}`;
  readonly instance_id: string | null;
}
export interface RoutingState {
  readonly peer: Ids | null;
  readonly routing: 'running' | 'static' | null;
}

/** The peer's stream as far as its routing daemon is concerned: edges only. */
export const routingDecider: Decider<RoutingState, RoutingCommand, EventOf<(typeof ibgpEvents)[number]>> = {
  initial: { peer: null, routing: null },
  evolve(state, event: RoutingEvent): RoutingState {
    switch (event.type) {
      case PeerAttached.type: {
        const { peer_id, network_id, instance_id } = event.data as EventOf<typeof PeerAttached>['data'];
        return { peer: { peer_id, network_id, instance_id }, routing: null };
      }
      case PeerDetached.type:
        return { peer: null, routing: null };
      case PeerRoutingStarted.type:
        return { ...state, routing: 'running' };
      case PeerRoutingStatic.type:
        return { ...state, routing: 'static' };
      default:
        return state;
    }
  },
  decide(command, { peer, routing }) {
    if (peer === null) return reject(refusal(404, 'peer_not_found', 'no such peer', { field: 'peer_id' }));
    const { peer_id, network_id, instance_id } = peer;
    const more = { links: { network: network_id, ...(instance_id === null ? {} : { instance: instance_id }) } };
    if (command.kind === 'routing_started')
      return routing === 'running'
        ? nothing('unchanged')
        : accept(PeerRoutingStarted({ peer_id, network_id, daemon: command.daemon }, more));
    return routing === 'static'
      ? nothing('unchanged')
      : accept(PeerRoutingStatic({ peer_id, network_id, reason: command.reason, package: FRR_PACKAGE }, more));
  },
};

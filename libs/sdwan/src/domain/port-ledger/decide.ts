import { accept, assertNever, nothing, refusal, reject, type Decider, type Decision, type EventOf } from '#kernel';
import { PortClaimed, PortReleased, type portLedgerEvents } from './events.js';

export const DEFAULT_LISTEN_PORT = 51_820;

export type PortLedgerEvent = EventOf<(typeof portLedgerEvents)[number]>;
/** Peer id → UDP port, of one instance. */
export type PortLedgerState = ReadonlyMap<string, number>;

export type PortLedgerCommand =
  | {
      readonly kind: 'claim';
      readonly instanceId: `instance-${string}`;
      readonly peerId: `sdwan_peer-${string}`;
      /** Any free one from 51820 on when not given. */
      readonly wanted: number | undefined;
    }
  | {
      readonly kind: 'release';
      readonly instanceId: `instance-${string}`;
      readonly peerId: `sdwan_peer-${string}`;
    };

export const portLedgerDecider: Decider<PortLedgerState, PortLedgerCommand, PortLedgerEvent> = {
  initial: new Map(),
  evolve(state, event) {
    const next = new Map(state);
    if (event.type === PortClaimed.type) {
      const { peer_id, listen_port } = event.data as EventOf<typeof PortClaimed>['data'];
      next.set(peer_id, listen_port);
    } else if (event.type === PortReleased.type) next.delete(event.data.peer_id);
    return next;
  },
  decide(command, state): Decision<PortLedgerEvent> {
    const ids = { instance_id: command.instanceId, peer_id: command.peerId };
    switch (command.kind) {
      case 'claim': {
        if (state.has(command.peerId)) return nothing('already_claimed');
        const free = freePort(state);
        if (command.wanted === undefined) return accept(PortClaimed({ ...ids, listen_port: free }));
        if ([...state.values()].includes(command.wanted)) return reject(taken(command.wanted, free));
        return accept(PortClaimed({ ...ids, listen_port: command.wanted }));
      }
      case 'release':
        return state.has(command.peerId) ? accept(PortReleased(ids)) : nothing('not_claimed');
      default:
        return assertNever(command);
    }
  },
};

const freePort = (state: PortLedgerState): number => {
  const used = new Set(state.values());
  let port = DEFAULT_LISTEN_PORT;
  while (used.has(port)) port++;
  return port;
};

const taken = (wanted: number, free: number) =>
  refusal(409, 'listen_port_taken', `listen_port ${wanted} is used by another network of this instance`, {
    field: 'listen_port',
    hint: `${free} is free; without listen_port a free one is taken`,
  });

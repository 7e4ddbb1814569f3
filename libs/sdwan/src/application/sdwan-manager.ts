import type { EventOf } from '#kernel';
import { defineProcessManager, type ProcessInput, type ProcessOutput } from '#processing';
import {
  PeerAttached,
  PeerDetached,
  VirtualIpAllocated,
  VirtualIpMoved,
  VirtualIpMoveFailed,
  VirtualIpMoveStarted,
  VirtualIpReleased,
  VirtualIpReserved,
  VirtualIpStranded,
} from '../domain/events.js';
import { DetachInstance, MoveVirtualIpAway } from './commands.js';

/** Of one instance: its peers, and what it has to do with virtual IPs. Of one VIP: where its move stands. */
export interface ManagerState {
  readonly peers: readonly string[];
  readonly drains: number;
}

const VIP_EVENTS: Readonly<Record<string, (data: Record<string, unknown>) => string>> = {
  [VirtualIpReserved.type]: (d) => `reserved ${String(d.address)} as ${String(d.name)}; it waits for its first holder`,
  [VirtualIpAllocated.type]: (d) =>
    `allocated ${String(d.vip)} to ${holder(d.holder)}: it is the first server of its cluster to be up`,
  [VirtualIpMoveStarted.type]: (d) =>
    `moving ${String(d.vip)} to ${holder(d.to)} (epoch ${String(d.epoch)}, ${String(d.reason)})`,
  [VirtualIpMoved.type]: (d) => moved(d as EventOf<typeof VirtualIpMoved>['data']),
  [VirtualIpMoveFailed.type]: (d) =>
    `${holder(d.to)} did not take ${String(d.vip)}: ${String(d.reason)}; the next candidate is asked`,
  [VirtualIpStranded.type]: (d) =>
    `${String(d.vip)} is stranded: ${String(d.reason)}; it moves as soon as a candidate is back`,
  [VirtualIpReleased.type]: (d) => `released ${String(d.vip)}: ${String(d.reason)}`,
};

const holder = (member: unknown): string => (member as { instance_id: string }).instance_id;

const moved = (d: EventOf<typeof VirtualIpMoved>['data']): string => {
  const late =
    d.unacked.length === 0 ? 'every peer acknowledged' : `${d.unacked.length} peer(s) have not acknowledged yet`;
  return `moved ${d.vip} to ${d.to.instance_id} (epoch ${d.epoch}, ${d.reason}); ${late}; estimated outage ${d.outage_estimate_ms} ms`;
};

/**
 * Follows virtual IPs and the instances that carry them. The crash path does not wait for it: the coordinator, which hears
 * of a lost lease first, moves the VIP itself. A drain comes through here as well, so that it outlives the platform.
 */
export const sdwanManager = defineProcessManager<ManagerState>({
  name: 'sdwan_manager',
  agentId: 'sdwan_manager_agent',
  correlate(event) {
    if (event.type in VIP_EVENTS) return String(event.data.virtual_ip_id);
    const ofInstance = [
      PeerAttached.type,
      PeerDetached.type,
      'system.instance.drain_requested',
      'system.instance.terminated',
      'system.instance.forgotten',
    ];
    if (!ofInstance.includes(event.type)) return undefined;
    const id = event.data.instance_id ?? event.meta.links.instance;
    return typeof id === 'string' ? id : undefined;
  },
  initial: { peers: [], drains: 0 },
  react(state, input) {
    if (input.kind === 'event') return onEvent(state, input.event.type, input.event.data);
    if (input.kind === 'timer') return { state, outputs: [] };
    return { state, outputs: [note(resultText(input))] };
  },
});

const note = (text: string): ProcessOutput => ({ kind: 'note', text });

const resultText = (input: Extract<ProcessInput, { kind: 'command_result' }>): string =>
  input.outcome === 'done'
    ? `${input.command} is done`
    : `${input.command} was refused: ${input.code ?? ''} ${input.message ?? ''}`.trim();

const onEvent = (state: ManagerState, type: string, data: Readonly<Record<string, unknown>>) => {
  const text = VIP_EVENTS[type];
  if (text !== undefined) return { state, outputs: [note(text(data))] };
  const instanceId = String(data.instance_id ?? '');
  switch (type) {
    case PeerAttached.type:
      return {
        state: { ...state, peers: [...state.peers, String(data.peer_id)] },
        outputs: [note(`attached to ${String(data.network_id)} as ${String(data.address_v6)}`)],
      };
    case PeerDetached.type:
      return {
        state: { ...state, peers: state.peers.filter((id) => id !== data.peer_id) },
        outputs: [note(`detached: ${String(data.reason)}`)],
      };
    case 'system.instance.drain_requested': {
      const move = {
        kind: 'command',
        type: MoveVirtualIpAway.type,
        payload: { instance_id: instanceId, reason: 'drain' },
      } as const;
      return {
        state: { ...state, drains: state.drains + 1 },
        outputs: [note('draining: its virtual IPs go first'), move],
      };
    }
    default: {
      if (state.peers.length === 0) return { state, outputs: [note(`${type}: it has no peers left`)] };
      const payload = { instance_id: instanceId, peer_ids: state.peers, reason: type.slice('system.'.length) };
      return {
        state,
        outputs: [
          note('gone: its peers are detached'),
          { kind: 'command', type: DetachInstance.type, payload } as const,
        ],
      };
    }
  }
};

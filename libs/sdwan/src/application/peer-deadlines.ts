import type { RecordedEvent } from '#event-store';
import { defineProcessManager, type ProcessOutput } from '#processing';
import {
  PeerAttached,
  PeerConnected,
  PeerDetached,
  PeerKeyAnnounced,
  PeerKeyRetired,
  PeerKeyRotationRequested,
  PeerSilent,
} from '../domain/events.js';
import { peerBoundMs, type PeerStage } from '../domain/peer/outlook.js';
import { RecordPeerOverdue } from './commands.js';

interface Stay {
  readonly peerId: string;
  readonly stage: PeerStage;
  readonly since: string;
}
interface State {
  /** The machine is there. While it is not, that is what is reported, not what its peers lack. A device always is. */
  readonly up: boolean;
  /** By timer: one for how far a peer has come, one for its change of key. */
  readonly stays: Readonly<Record<string, Stay>>;
}

const UP = ['system.instance.online', 'system.instance.returned'];
const GONE = ['system.instance.lost', 'system.instance.terminated', 'system.instance.forgotten'];
const OF_PEERS: readonly string[] = [
  PeerAttached.type,
  PeerKeyAnnounced.type,
  PeerConnected.type,
  PeerSilent.type,
  PeerKeyRotationRequested.type,
  PeerKeyRetired.type,
  PeerDetached.type,
];

const comingUp = (peerId: string) => `peer:${peerId}`;
const changing = (peerId: string) => `key:${peerId}`;

const evolve = (state: State, event: RecordedEvent): State => {
  const { type, data } = event;
  const since = event.meta.occurredAt;
  if (GONE.includes(type)) return { ...state, up: false };
  // What was not done while nobody was there has its whole time again.
  if (UP.includes(type))
    return {
      up: true,
      stays: Object.fromEntries(Object.entries(state.stays).map(([timer, stay]) => [timer, { ...stay, since }])),
    };
  const peerId = String(data['peer_id']);
  const into = (timer: string, stage: PeerStage): State =>
    state.stays[timer]?.stage === stage
      ? state
      : { ...state, stays: { ...state.stays, [timer]: { peerId, stage, since } } };
  const outOf = (...timers: string[]): State => ({
    ...state,
    stays: Object.fromEntries(Object.entries(state.stays).filter(([timer]) => !timers.includes(timer))),
  });
  switch (type) {
    case PeerAttached.type: {
      const next = into(comingUp(peerId), data['public_key'] === null ? 'pending' : 'handshaking');
      return data['kind'] === 'device' ? { ...next, up: true } : next;
    }
    case PeerKeyAnnounced.type:
      return into(comingUp(peerId), 'handshaking');
    case PeerConnected.type:
    case PeerSilent.type:
      return outOf(comingUp(peerId));
    case PeerKeyRotationRequested.type:
      return into(changing(peerId), 'changing_key');
    case PeerKeyRetired.type:
      return outOf(changing(peerId));
    default:
      return outOf(comingUp(peerId), changing(peerId));
  }
};

/** The timers that are another than before: those of what changed, and all of them when the machine came or went. */
const timers = (before: State, after: State): ProcessOutput[] => {
  const names = new Set([...Object.keys(before.stays), ...Object.keys(after.stays)]);
  return [...names].flatMap((name): ProcessOutput[] => {
    const [was, now] = [before.stays[name], after.stays[name]];
    if (was === now && before.up === after.up) return [];
    if (now === undefined || !after.up) return was === undefined ? [] : [{ kind: 'cancel_timer', name }];
    const { peerId: peer_id, stage, since } = now;
    const bound_ms = peerBoundMs(stage);
    return [{ kind: 'timer', name, dueMs: Date.parse(since) + bound_ms, data: { peer_id, stage, since, bound_ms } }];
  });
};

/** Says once when a peer comes no further in its time. One process per instance, and one per device. */
export const peerDeadlines = defineProcessManager<State>({
  name: 'peer_deadlines',
  agentId: 'sdwan_manager_agent',
  correlate: (event) => {
    const isOfPeer = OF_PEERS.includes(event.type);
    if (!isOfPeer && !UP.includes(event.type) && !GONE.includes(event.type)) return undefined;
    const id =
      event.data['instance_id'] ?? event.meta.links['instance'] ?? (isOfPeer ? event.data['peer_id'] : undefined);
    return typeof id === 'string' ? id : undefined;
  },
  initial: { up: false, stays: {} },
  react: (state, input) => {
    if (input.kind === 'timer')
      return { state, outputs: [{ kind: 'command', type: RecordPeerOverdue.type, payload: input.data }] };
    if (input.kind === 'command_result') return { state, outputs: [] };
    const next = evolve(state, input.event);
    return { state: next, outputs: timers(state, next) };
  },
});

const MINUTE = 60_000;

/** What a peer passes through and should not stay in: it has no key, it has reached nobody, it has two keys. */
export type PeerStage = 'pending' | 'handshaking' | 'changing_key';

/** How long that may take while its machine is there, before an operator should hear of it. */
export const peerBoundMs = (stage: PeerStage): number => (stage === 'changing_key' ? 15 : 5) * MINUTE;

interface Advice {
  readonly reason: string;
  readonly next_action: string;
}

const ADVICE: Readonly<Record<PeerStage, Advice>> = {
  pending: {
    reason: 'its agent is connected, and has announced no key',
    next_action: "look into the agent's log for WireGuard; drover node status tells which driver it uses",
  },
  handshaking: {
    reason: 'it has had no handshake with any peer of the network',
    next_action:
      'let UDP through to the listen port of a publicly reachable peer; system_sdwan_get_routing_summary tells who should reach whom',
  },
  changing_key: {
    reason: 'its change of key has not ended',
    next_action:
      'key_rotation.waiting_for of the peer names who does not hold the key yet; it goes on when they are back',
  },
};

export const peerAdvice = (stage: PeerStage): Advice => ADVICE[stage];

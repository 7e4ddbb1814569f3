import { isoTime } from '#kernel';
import type { NetworkView, PeerView } from './model.js';
import { seesEverybody } from './compile.js';
import { isHub } from './topology.js';

/** What the platform knows of the agents at this moment. */
export interface RotationFacts {
  readonly nowMs: number;
  /** Keys older than this are changed by themselves; null: none. */
  readonly maxAgeMs: number | null;
  /** How long a change that an operator asked for waits for a node that is not absent and yet acknowledges nothing. */
  readonly patienceMs: number;
  /** Since when this platform could hear anybody: the time in which there was none is nobody's silence. */
  readonly hearsSinceMs: number;
  isConnected(peer: PeerView): boolean;
  /** Nothing is heard of it on either way, so it cannot be waited for; it catches up when it is back. */
  isAbsent(peer: PeerView): boolean;
  /** Up to which position of the log it has applied this network. */
  applied(peer: PeerView): bigint;
}

export type RotationStep =
  | { readonly kind: 'request'; readonly peerId: string }
  | {
      readonly kind: 'order';
      readonly peerId: string;
      readonly publicKey: string;
      readonly heldBy: number;
      readonly absent: readonly string[];
    }
  /** The others are told to watch, then the peer to take its key up. */
  | { readonly kind: 'tell'; readonly peerId: string; readonly publicKey: string; readonly watchers: readonly string[] }
  | { readonly kind: 'retire'; readonly peerId: string; readonly publicKey: string };

export interface Waiting {
  readonly peerId: string;
  readonly why: string;
}
export interface RotationPlan {
  readonly steps: readonly RotationStep[];
  /** By rotating peer: whom it waits for. */
  readonly waiting: ReadonlyMap<string, readonly Waiting[]>;
}

/** Between two changes that nobody asked for in one network: each makes every table anew. */
export const SPACING_MS = 30_000;
/** A change that has got no further for so long (its node is away, or cannot write a key) keeps nobody else's back. */
export const STUCK_MS = 10 * 60_000;
/**
 * A change because of age is in no hurry. Whoever is not waited for cannot reach the node until its agent is back, so a day is
 * given to get that one back before.
 */
export const AGE_PATIENCE_MS = 24 * 3_600_000;

/** Nodes that have the peer in their tables. */
export const holdersOf = (network: NetworkView, peer: PeerView): PeerView[] =>
  [...network.peers.values()].filter(
    (other) =>
      other.instanceId !== null && other.peerId !== peer.peerId && (isHub(peer) || seesEverybody(network, other)),
  );

/** Devices that have the peer in theirs: nobody can wait for those, they follow when they ask for their configuration. */
export const devicesOf = (network: NetworkView, peer: PeerView): PeerView[] =>
  [...network.peers.values()].filter(
    (other) => other.kind === 'device' && (isHub(peer) || seesEverybody(network, other)),
  );

/**
 * The next steps of all changes of key in a network. A node takes its new key up when every other holds it, and one node at a
 * time: two that change at once would each call the other by its old name, and nobody would answer.
 */
export const planRotations = (network: NetworkView, facts: RotationFacts): RotationPlan => {
  const rotating = [...network.peers.values()].filter((peer) => peer.keys.rotation !== null).sort(byStart);
  const steps: RotationStep[] = [];
  const waiting = new Map<string, readonly Waiting[]>();
  const goesOn = (peer: PeerView) => !facts.isAbsent(peer) && facts.nowMs - peer.keys.atMs < STUCK_MS;
  let busy = rotating.find((peer) => isTurning(peer) && goesOn(peer));
  for (const peer of rotating) {
    const { step, waits } = nextStep(network, peer, busy, facts);
    if (step?.kind === 'order') busy = peer;
    if (step !== undefined) steps.push(step);
    waiting.set(peer.peerId, waits);
  }
  const due = rotating.some(goesOn) ? undefined : overdue(network, facts);
  if (due !== undefined) steps.push({ kind: 'request', peerId: due.peerId });
  return { steps, waiting };
};

const byStart = (a: PeerView, b: PeerView): number =>
  a.keys.at === b.keys.at ? (a.peerId < b.peerId ? -1 : 1) : a.keys.at < b.keys.at ? -1 : 1;

const isTurning = ({ keys: { rotation } }: PeerView): boolean =>
  rotation?.phase === 'ordered' || rotation?.phase === 'switched';

interface Next {
  readonly step?: RotationStep;
  readonly waits: readonly Waiting[];
}

const nextStep = (network: NetworkView, peer: PeerView, busy: PeerView | undefined, facts: RotationFacts): Next => {
  const rotation = peer.keys.rotation!;
  const self = (why: string): Waiting[] => [{ peerId: peer.peerId, why }];
  const away = facts.isConnected(peer) ? [] : self('its agent is not connected');
  switch (rotation.phase) {
    case 'requested':
      return { waits: away.length > 0 ? away : self('it has not announced another key yet') };
    case 'announced': {
      if (busy !== undefined && busy !== peer)
        return { waits: [{ peerId: busy.peerId, why: 'it changes its key now' }] };
      const { missing, absent, there } = receipts(network, peer, facts);
      if (missing.length > 0) return { waits: missing };
      if (away.length > 0) return { waits: away };
      const order = { kind: 'order', peerId: peer.peerId, publicKey: rotation.nextKey } as const;
      return { step: { ...order, heldBy: there.length, absent }, waits: [] };
    }
    case 'ordered': {
      const watchers = holdersOf(network, peer).map(({ instanceId }) => instanceId!);
      const tell = { kind: 'tell', peerId: peer.peerId, publicKey: rotation.nextKey, watchers } as const;
      return { step: tell, waits: away.length > 0 ? away : self('it has not taken its new key up yet') };
    }
    case 'switched': {
      const { missing } = receipts(network, peer, facts);
      if (missing.length > 0) return { waits: missing };
      return { step: { kind: 'retire', peerId: peer.peerId, publicKey: rotation.previousKey }, waits: [] };
    }
  }
};

/** Until when a change waits in this phase. Agents that are dead while their tunnels go on would hold it up for ever. */
const patientUntil = ({ keys: { rotation, atMs } }: PeerView, { patienceMs, hearsSinceMs }: RotationFacts): number =>
  Math.max(atMs, hearsSinceMs) + (rotation?.reason === 'age' ? Math.max(AGE_PATIENCE_MS, patienceMs) : patienceMs);

/** Who has applied what this phase began with. Whoever has not in all the time that there was is not waited for either. */
const receipts = (network: NetworkView, peer: PeerView, facts: RotationFacts) => {
  const untilMs = patientUntil(peer, facts);
  const lags = (holder: PeerView) => facts.applied(holder) < peer.keys.at;
  const holders = holdersOf(network, peer);
  const absent = holders.filter((holder) => facts.isAbsent(holder) || (lags(holder) && facts.nowMs >= untilMs));
  const there = holders.filter((holder) => !absent.includes(holder));
  const missing = there.filter(lags).map(({ peerId, name }) => ({
    peerId,
    why: `${name} has not applied it yet; waited for until ${isoTime(untilMs)}`,
  }));
  return { missing, there, absent: absent.map(({ peerId }) => peerId) };
};

/** The oldest key beyond its age, of a node that is there. */
const overdue = (network: NetworkView, { nowMs, maxAgeMs, isConnected }: RotationFacts): PeerView | undefined => {
  if (maxAgeMs === null) return undefined;
  const nodes = [...network.peers.values()].filter((peer) => peer.instanceId !== null && peer.publicKey !== null);
  if (nodes.some((peer) => peer.keys.rotations > 0 && nowMs - peer.keys.atMs < SPACING_MS)) return undefined;
  return nodes
    .filter((peer) => peer.keys.rotation === null && nowMs - peer.keys.sinceMs >= maxAgeMs && isConnected(peer))
    .sort((a, b) => a.keys.sinceMs - b.keys.sinceMs || (a.peerId < b.peerId ? -1 : 1))[0];
};

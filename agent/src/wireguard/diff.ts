import type { WgChange, WgPeer, WgPeerChange, WgState } from './driver.js';

export interface DesiredPeer {
  readonly publicKey: string;
  /** Set only where the agent wants to steer it; otherwise WireGuard's own roaming is left alone. */
  readonly endpoint: string | undefined;
  readonly allowedIps: readonly string[];
  readonly keepalive: number;
}

export interface DesiredWg {
  readonly privateKey: string;
  readonly publicKey: string;
  readonly listenPort: number;
  readonly peers: readonly DesiredPeer[];
}

/**
 * The one write that brings `actual` to `desired`; undefined when they agree. Gains come first, because giving a prefix
 * to a peer takes it from its owner in one step (make before break); only then are left-over prefixes and peers removed.
 */
export const wgDiff = (desired: DesiredWg, actual: WgState): WgChange | undefined => {
  const have = new Map(actual.peers.map((peer) => [peer.publicKey, peer]));
  const wanted = new Set(desired.peers.map((peer) => peer.publicKey));
  const moved = new Set<string>();
  const gains: WgPeerChange[] = [];
  for (const peer of desired.peers) {
    const change = gain(peer, have.get(peer.publicKey));
    for (const prefix of change?.add ?? []) moved.add(prefix);
    if (change !== undefined) gains.push(change);
  }
  const losses: WgPeerChange[] = [];
  for (const peer of desired.peers) {
    const keep = new Set(peer.allowedIps);
    const stale = (have.get(peer.publicKey)?.allowedIps ?? []).filter((p) => !keep.has(p) && !moved.has(p));
    if (stale.length > 0) losses.push({ publicKey: peer.publicKey, replace: true, allowedIps: peer.allowedIps });
  }
  for (const peer of actual.peers)
    if (!wanted.has(peer.publicKey)) losses.push({ publicKey: peer.publicKey, remove: true });
  const key = actual.publicKey === desired.publicKey ? {} : { privateKey: desired.privateKey };
  const port = actual.listenPort === desired.listenPort ? {} : { listenPort: desired.listenPort };
  const peers = [...gains, ...losses];
  if (peers.length === 0 && !('privateKey' in key) && !('listenPort' in port)) return undefined;
  return { ...key, ...port, peers };
};

const gain = (peer: DesiredPeer, actual: WgPeer | undefined): WgPeerChange | undefined => {
  const has = new Set(actual?.allowedIps ?? []);
  const add = peer.allowedIps.filter((prefix) => !has.has(prefix));
  const endpoint = peer.endpoint !== undefined && peer.endpoint !== actual?.endpoint ? { endpoint: peer.endpoint } : {};
  const keepalive = actual?.keepalive === peer.keepalive ? {} : { keepalive: peer.keepalive };
  if (actual !== undefined && add.length === 0 && !('endpoint' in endpoint) && !('keepalive' in keepalive))
    return undefined;
  return {
    publicKey: peer.publicKey,
    ...endpoint,
    ...keepalive,
    ...(add.length === 0 ? {} : { add, allowedIps: peer.allowedIps }),
  };
};

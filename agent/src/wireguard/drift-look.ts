import type { DesiredWg } from './diff.js';
import type { WgPeer, WgState } from './driver.js';

interface Wanted {
  readonly publicKey: string;
  readonly allowedIps: readonly string[];
  readonly keepalive: number;
}

/** At most so many peers in one go: something urgent may be waiting. */
const AT_ONCE = 250;

/**
 * Whether WireGuard has what it should have. A pair of objects that was compared before is not compared again: drivers answer
 * with the same object for a peer that has not changed, and so do those who compose what is wanted.
 */
export class DriftLook<T extends Wanted> {
  private readonly agreed = new WeakMap<WgPeer, T>();

  constructor(private readonly breathe: () => Promise<void>) {}

  async agrees(
    wanted: readonly T[],
    own: Pick<DesiredWg, 'publicKey' | 'listenPort'>,
    state: WgState,
    endpointOf: (peer: T, actual: WgPeer) => string | undefined,
  ): Promise<boolean> {
    if (state.publicKey !== own.publicKey || state.listenPort !== own.listenPort) return false;
    if (state.peers.length !== wanted.length) return false;
    const actual = new Map(state.peers.map((peer) => [peer.publicKey, peer]));
    for (const [n, peer] of wanted.entries()) {
      if (n > 0 && n % AT_ONCE === 0) await this.breathe();
      const have = actual.get(peer.publicKey);
      if (have === undefined || !this.agree(peer, have)) return false;
      // Where to look for a peer that does not answer changes with time.
      const endpoint = endpointOf(peer, have);
      if (endpoint !== undefined && endpoint !== have.endpoint) return false;
    }
    return true;
  }

  private agree(peer: T, have: WgPeer): boolean {
    if (this.agreed.get(have) === peer) return true;
    const prefixes = new Set(have.allowedIps);
    const same =
      peer.keepalive === have.keepalive &&
      peer.allowedIps.length === prefixes.size &&
      peer.allowedIps.every((prefix) => prefixes.has(prefix));
    if (same) this.agreed.set(have, peer);
    return same;
  }
}

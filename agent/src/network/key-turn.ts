import type { PeerItem } from '#proto';
import type { WgState } from '../wireguard/driver.js';

export type Turn = 'present' | 'next';

/**
 * Which of a peer's two keys carries its prefixes: the one that shook hands last, for only who has the private key can. A
 * node that goes back to its old key (a restored disk) is followed as well. Before any handshake it stays as it was: a
 * WireGuard that was started anew knows of none.
 */
export const turnOf = (presentMs: number, nextMs: number, before: Turn): Turn => {
  if (nextMs > 0 && nextMs >= presentMs) return 'next';
  return presentMs > 0 ? 'present' : before;
};

/** The peers of one interface that are changing their key, and the key that each is reached by. */
export class KeyTurns {
  private readonly turns = new Map<string, { readonly nextKey: string; readonly turn: Turn }>();

  of(peer: PeerItem): Turn {
    const known = this.turns.get(peer.peer_id);
    return known !== undefined && known.nextKey === peer.next_public_key ? known.turn : 'present';
  }

  /** Takes in what WireGuard says; answers whether anybody has to be reached by the other key from now on. */
  look(peers: readonly PeerItem[], state: WgState): boolean {
    const changing = peers.filter((peer) => peer.next_public_key !== undefined);
    for (const id of this.turns.keys()) if (!changing.some((peer) => peer.peer_id === id)) this.turns.delete(id);
    if (changing.length === 0) return false;
    const heard = new Map(state.peers.map((peer) => [peer.publicKey, peer.lastHandshakeMs]));
    let moved = false;
    for (const peer of changing) {
      const nextKey = peer.next_public_key!;
      const before = this.of(peer);
      const turn = turnOf(heard.get(peer.public_key) ?? 0, heard.get(nextKey) ?? 0, before);
      this.turns.set(peer.peer_id, { nextKey, turn });
      moved ||= turn !== before;
    }
    return moved;
  }
}

import type { WgPeer } from '../wireguard/driver.js';

/** WireGuard answers data within 10 s, with a keepalive if there is nothing else to say, and a handshake at once. */
const ANSWER_MS = 15_000;
/** What nobody answers: a keepalive, of which there are none two within a look. */
const KEEPALIVE_BYTES = 32;

interface Traffic {
  rx: number;
  tx: number;
  /** Since when something that has to be answered is on its way. */
  askedMs: number | undefined;
}

/**
 * Peers that were sent something and have said nothing since. A session says so only when it is three minutes old, and a
 * machine that has changed its address is not to be away for so long.
 */
export class Unanswered {
  private readonly traffic = new Map<string, Traffic>();

  /** Takes in what WireGuard says of a peer; true while it owes an answer. */
  look({ publicKey, rxBytes: rx, txBytes: tx }: WgPeer, nowMs: number): boolean {
    if (rx === undefined || tx === undefined) return false;
    const known = this.traffic.get(publicKey);
    if (known === undefined || rx > known.rx) {
      this.traffic.set(publicKey, { rx, tx, askedMs: undefined });
      return false;
    }
    if (tx > known.tx + KEEPALIVE_BYTES) known.askedMs ??= nowMs;
    known.tx = Math.max(known.tx, tx);
    return known.askedMs !== undefined && nowMs - known.askedMs >= ANSWER_MS;
  }

  /** Its session is over, or was never there: what was counted says nothing about the next one. */
  forget(publicKey: string): void {
    this.traffic.delete(publicKey);
  }

  keepOnly(publicKeys: ReadonlySet<string>): void {
    for (const key of this.traffic.keys()) if (!publicKeys.has(key)) this.traffic.delete(key);
  }
}

/** Changes whose place in the log is remembered. A node that is further behind is shown at the oldest of them. */
const KEPT = 1_024;

/**
 * Counts the changes of each network. To nodes a generation is a position of the log, which all accounts share, so it would
 * tell one how much happens in the others; people are shown the network's own count. It follows from the log alone, so every
 * process and every later life counts the same.
 */
export class NetworkGenerations {
  private readonly byNetwork = new Map<string, { count: number; readonly kept: bigint[] }>();

  changed(networkId: string, position: bigint): void {
    let known = this.byNetwork.get(networkId);
    if (known === undefined) this.byNetwork.set(networkId, (known = { count: 0, kept: [] }));
    if (known.kept.at(-1) === position) return;
    known.count++;
    known.kept.push(position);
    if (known.kept.length > 2 * KEPT) known.kept.splice(0, KEPT);
  }

  forget(networkId: string): void {
    this.byNetwork.delete(networkId);
  }

  /** The network's changes up to a position; 0 before the first. */
  at(networkId: string, position: bigint): number {
    const { count, kept } = this.byNetwork.get(networkId) ?? { count: 0, kept: [] };
    let [low, high] = [0, kept.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (kept[middle]! <= position) low = middle + 1;
      else high = middle;
    }
    return count - kept.length + low;
  }

  adopt(other: NetworkGenerations): void {
    for (const [id, { count, kept }] of other.byNetwork) this.byNetwork.set(id, { count, kept: [...kept] });
  }
}

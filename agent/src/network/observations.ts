import { errorMessage, type Log } from '#kernel';
import type { agentV1 } from '#proto';
import type { OverlayNetwork } from './overlay-network.js';

/** What has not changed is said again after this long. */
const REPEAT_MS = 10_000;

/** What this node sees of its peers, as the platform is told: at once when it is another, and now and then. */
export class Observations {
  private readonly last = new Map<string, string>();
  private sinceMs = 0;

  constructor(
    private readonly send: (message: agentV1.SyncRequest) => void,
    private readonly log: Log,
    private readonly routingOf: (networkId: string) => agentV1.Routing | undefined,
  ) {}

  /** All of it is news again: the platform may have missed it. */
  forget(): void {
    this.last.clear();
  }

  /** All networks were looked at, so long after they were before. */
  looked(afterMs: number): void {
    this.sinceMs = this.sinceMs >= REPEAT_MS ? afterMs : this.sinceMs + afterMs;
  }

  async look(network: OverlayNetwork): Promise<void> {
    const observed = await this.observed(network);
    if (observed === undefined) return;
    const routing = this.routingOf(observed.networkId);
    const shape = JSON.stringify([
      observed.peers.map((p) => [p.publicKey, p.endpoint, p.lastHandshakeMs > 0n]),
      routing?.daemon,
      routing?.error,
      routing?.sessions,
      routing?.learned.map((l) => [l.prefix, l.peerId, Number(l.epoch), l.withdrawn]),
    ]);
    const changed = this.last.get(observed.networkId) !== shape;
    if (!changed && this.sinceMs < REPEAT_MS) return;
    this.last.set(observed.networkId, shape);
    this.send({ message: { $case: 'observed', value: { ...observed, routing } } });
  }

  /** A look that fails is followed by the next one; what is wrong shows in the reconciler's own errors too. */
  private async observed(network: OverlayNetwork): Promise<agentV1.Observed | undefined> {
    try {
      return await network.observed();
    } catch (error) {
      this.log.warn({ error: errorMessage(error) }, 'cannot look at a network');
      return undefined;
    }
  }
}

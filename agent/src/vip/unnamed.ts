import type { Clock, Random } from '#kernel';
import type { VipTable } from './vip-table.js';

/** The section that names it follows within moments. Spread, for all nodes of a network may have to ask. */
const ASK_AFTER_MS = 10_000;
const SPREAD_MS = 10_000;
const AGAIN_MS = 60_000;

/**
 * VIPs that a message told of and that no section names. One that was released before any section named it is never named: no
 * section changes with that, so none is sent. The platform is asked instead of it being guessed from the silence.
 */
export class Unnamed {
  private readonly askAtMs = new Map<string, number>();

  constructor(
    private readonly clock: Pick<Clock, 'monotonicMs'>,
    private readonly random: Pick<Random, 'unit'>,
  ) {}

  /** Networks whose section is to be asked for now. */
  overdue({ unnamed, items }: VipTable): Set<string> {
    const now = this.clock.monotonicMs();
    for (const id of this.askAtMs.keys()) if (!unnamed.has(id)) this.askAtMs.delete(id);
    const networks = new Set<string>();
    for (const id of unnamed.keys()) {
      const askAt = this.askAtMs.get(id);
      if (askAt === undefined) this.askAtMs.set(id, now + ASK_AFTER_MS + this.random.unit() * SPREAD_MS);
      if (askAt === undefined || now < askAt) continue;
      this.askAtMs.set(id, now + AGAIN_MS);
      networks.add(items.get(id)!.network_id);
    }
    return networks;
  }
}

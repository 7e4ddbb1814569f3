import type { VipItem } from '#proto';

/** An agent as the platform sees it: it votes, acknowledges, and can die, lose its control link or go deaf to VIP items. */
export class TestAgent {
  alive = true;
  linked = true;
  deaf = false;
  lastBeatMs = 0;
  promised = 0;
  readonly items: VipItem[] = [];
  constructor(readonly instanceId: string) {}
  get holds(): boolean {
    return this.items.at(-1)?.role === 'holder';
  }
}

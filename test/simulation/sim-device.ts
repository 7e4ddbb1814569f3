import type { DeviceFeed } from '../../libs/sdwan/src/application/device-feed.js';
import type { Zone } from './sim-clock.js';

/** Until a device has what the feed says; within the time for which the old holder goes on answering. */
const FEED_MS = 200;

/** An operator's device: no agent, only the platform's feed. It stays with what it knows while the platform is away. */
export class SimDevice {
  /** The peer that it sends the VIP's packets to. */
  route: string | null = null;
  private fetching = false;

  constructor(
    readonly peerId: string,
    private readonly vipId: string,
    private readonly unit: () => number,
  ) {}

  /** `platform`: whose feed it is; nothing comes of it any more when that has died. */
  follow(feed: DeviceFeed, platform: Zone): void {
    const fetch = (): void => {
      this.fetching = false;
      this.route = feed.config(this.peerId)?.vips.find(({ id }) => id === this.vipId)?.peer_id ?? this.route;
    };
    const changed = (): void => {
      if (this.fetching) return;
      this.fetching = true;
      platform.after(this.unit() * FEED_MS, fetch);
    };
    this.fetching = false;
    feed.subscribe(this.peerId, changed);
    changed();
  }
}

import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import {
  CLOCK,
  CONFIG,
  errorMessage,
  IDS,
  LOG,
  sleep,
  TIMERS,
  type Clock,
  type Config,
  type Ids,
  type Log,
  type Timers,
} from '#kernel';
import { AGENT_LINK, type AgentLink } from '#agent-gateway';
import { EVENT_STORE, type EventStore } from '#event-store';
import { LEADERSHIP, TRANSACTOR, Transactor, type LeadNews } from '#processing';
import { DeviceFeed } from '../device-feed.js';
import { SdwanModel } from '../sdwan-model.js';
import { FailoverCoordinator } from './coordinator.js';

const CATCH_UP_MS = 2_000;
const POLL_MS = 5;

/**
 * Holds the folded overlay and the failover coordinator, and starts the latter once the former knows the past. Only where
 * the lead is: agents are nowhere else, and who hears no agent must not judge what they hold.
 */
@Injectable()
export class FailoverService implements OnApplicationBootstrap, OnModuleDestroy {
  readonly coordinator: FailoverCoordinator;
  private closed = false;
  private leads = false;
  private term = 0;

  constructor(
    @Inject(SdwanModel) readonly model: SdwanModel,
    @Inject(DeviceFeed) feed: DeviceFeed,
    @Inject(TRANSACTOR) transactor: Transactor,
    @Inject(AGENT_LINK) link: AgentLink,
    @Inject(EVENT_STORE) private readonly store: EventStore,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(TIMERS) private readonly timers: Timers,
    @Inject(IDS) ids: Ids,
    @Inject(LOG) private readonly log: Log,
    @Inject(CONFIG) config: Pick<Config, 'DROVER_VIP_BEAT_MS' | 'DROVER_VIP_LEASE_MS'>,
    @Inject(LEADERSHIP) private readonly leadership: LeadNews,
  ) {
    this.coordinator = new FailoverCoordinator({
      model,
      transactor,
      link,
      clock,
      timers,
      ids,
      log,
      lease: { beatMs: config.DROVER_VIP_BEAT_MS, ttlMs: config.DROVER_VIP_LEASE_MS },
      holderReady: (vipId, epoch, holder) => feed.holderReady(vipId, epoch, holder),
    });
  }

  onApplicationBootstrap(): void {
    this.leadership.onLead((leads) => this.led(leads));
  }

  onModuleDestroy(): void {
    this.closed = true;
    this.coordinator.close();
  }

  private led(leads: boolean): void {
    if (this.closed || leads === this.leads) return;
    this.leads = leads;
    this.term++;
    if (!leads) return this.coordinator.yieldLead();
    this.coordinator.takeLead();
    void this.begin(this.term);
  }

  /** Until the log that was there at the start is folded, every look at it would be a look at the past. */
  private async begin(term: number): Promise<void> {
    const wanted = () => !this.closed && this.term === term;
    for (let attempt = 0; wanted(); attempt++) {
      try {
        const head = await this.store.head();
        while (wanted() && this.model.position < head) await sleep(this.timers, POLL_MS * 4);
        if (wanted()) this.coordinator.start();
        return;
      } catch (error) {
        this.log.warn({ error: errorMessage(error), attempt }, 'failover waits for the event store');
        await sleep(this.timers, 1_000);
      }
    }
  }

  /** Waits, 2 s at most, until the model has folded what was in the log at the time of the call. */
  async caughtUp(): Promise<'current' | 'behind'> {
    const head = await this.store.head();
    const end = this.clock.monotonicMs() + CATCH_UP_MS;
    while (this.model.position < head) {
      if (this.clock.monotonicMs() >= end) return 'behind';
      await sleep(this.timers, POLL_MS);
    }
    return 'current';
  }
}

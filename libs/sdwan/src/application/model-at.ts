import type { Config } from '#kernel';
import { START, type EventStore } from '#event-store';
import { SdwanModel } from './sdwan-model.js';

const BATCH = 1_000;
const CATEGORIES = ['sdwan_network', 'sdwan_peer', 'virtual_ip', 'firewall_rule', 'instance'];

/** The overlay as it was at a time: the same fold over the log up to the last event recorded by then. */
export const modelAt = async (
  store: EventStore,
  at: string,
  config: Pick<Config, 'DROVER_VIP_BEAT_MS' | 'DROVER_VIP_LEASE_MS'>,
): Promise<SdwanModel> => {
  const model = new SdwanModel({ beatMs: config.DROVER_VIP_BEAT_MS, ttlMs: config.DROVER_VIP_LEASE_MS });
  const until = Date.parse(at);
  for (let after = START; ;) {
    const batch = await store.readAll(after, { limit: BATCH, categories: CATEGORIES });
    for (const event of batch.events) {
      if (Date.parse(event.recordedAt) > until) return model;
      model.apply(event);
    }
    if (batch.through <= after) return model;
    after = batch.through;
  }
};

import { deterministicUuid, type Clock } from '#kernel';
import type { Transactor } from '#processing';
import { webhookDecider } from '../domain/webhook/decide.js';
import type { LaneDeps } from './lane.js';

/** Writes a webhook's health on its own stream, where it is decided whether it is news. */
export const healthReporter =
  (transactor: Transactor, clock: Pick<Clock, 'wallMs'>): LaneDeps['report'] =>
  async ({ data: { webhook_id }, accountId }, report, of) => {
    const id = deterministicUuid('webhook health', webhook_id, report.health, of);
    const done = await transactor.transact(webhook_id, webhookDecider, report, {
      ...{ commandId: id, correlationId: id, causationId: of, accountId },
      actor: { kind: 'system', id: 'webhooks' },
      nowMs: clock.wallMs(),
    });
    if (done.kind === 'refused') throw new Error(done.refusal.message);
  };

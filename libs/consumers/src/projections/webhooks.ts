import { defineProjection } from '#processing';
import { webhookDecider, type WebhookHealth, type WebhookState } from '../domain/webhook/decide.js';
import type { WebhookCreatedData, WebhookEvent } from '../domain/webhook/events.js';

export interface WebhookDoc {
  readonly account: string;
  readonly id: string;
  readonly name: string;
  readonly status: 'active' | 'deleted';
  readonly webhook: WebhookCreatedData;
  readonly health: WebhookHealth;
  readonly created_at: string;
}

export const webhooks = defineProjection<WebhookDoc>({
  name: 'consumers_webhooks',
  version: 2,
  keys: (event) => (event.type.startsWith('system.webhook.') ? [String(event.data.webhook_id)] : []),
  fold(doc, event) {
    const before: WebhookState =
      doc === undefined ? { status: 'none' } : { status: doc.status, webhook: doc.webhook, health: doc.health };
    const state = webhookDecider.evolve(before, event as unknown as WebhookEvent);
    if (state.status === 'none') return doc;
    const { webhook, status, health } = state;
    return {
      account: doc?.account ?? event.meta.accountId,
      id: webhook.webhook_id,
      name: webhook.name,
      status,
      webhook,
      health,
      created_at: doc?.created_at ?? event.recordedAt,
    };
  },
  columns: ({ account, name, status, health }) => ({ account, name, status, health }),
  columnTypes: { name: 'text', status: 'text', health: 'text' },
});

/** As the log knows it: its URL and what it delivered are kept beside the log, and are of now only. */
export const webhookAtRest = ({ id, name, status, health, webhook, created_at }: WebhookDoc) => {
  const { origin, kind_prefix, stream, subject, severity, max_attempts } = webhook;
  return { id, name, origin, kind_prefix, stream, subject, severity, max_attempts, status, health, created_at };
};

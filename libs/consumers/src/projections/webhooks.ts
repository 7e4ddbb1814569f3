import { defineProjection } from '#processing';
import { webhookDecider, type WebhookState } from '../domain/webhook/decide.js';
import type { WebhookCreatedData, WebhookEvent } from '../domain/webhook/events.js';

export interface WebhookDoc {
  readonly account: string;
  readonly id: string;
  readonly name: string;
  readonly status: 'active' | 'deleted';
  readonly webhook: WebhookCreatedData;
  readonly created_at: string;
}

export const webhooks = defineProjection<WebhookDoc>({
  name: 'consumers_webhooks',
  version: 1,
  keys: (event) => (event.type.startsWith('system.webhook.') ? [String(event.data.webhook_id)] : []),
  fold(doc, event) {
    const before: WebhookState = doc === undefined ? { status: 'none' } : { status: doc.status, webhook: doc.webhook };
    const state = webhookDecider.evolve(before, event as unknown as WebhookEvent);
    if (state.status === 'none') return doc;
    const { webhook, status } = state;
    return {
      account: doc?.account ?? event.meta.accountId,
      id: webhook.webhook_id,
      name: webhook.name,
      status,
      webhook,
      created_at: doc?.created_at ?? event.recordedAt,
    };
  },
  columns: ({ account, name, status }) => ({ account, name, status }),
  columnTypes: { name: 'text', status: 'text' },
});

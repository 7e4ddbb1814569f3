import type { WebhookDoc } from '../projections/webhooks.js';
import { webhookConditions } from './webhook-conditions.js';

it('counts the events that were given up as people do', () => {
  const doc = { status: 'active', health: 'well', created_at: '2026-11-01T00:00:00Z' } as WebhookDoc;
  const said = [0, 1, 2].map((deadLetters) => {
    const known = { attempts: 0, lastDeliveredMs: null, lastError: null, deadLetters };
    return webhookConditions(doc, known as never).conditions.find(({ type }) => type === 'DeadLetters')?.message;
  });
  expect(said).toEqual([
    'no event was given up',
    '1 event was given up: system_list_webhook_dead_letters',
    '2 events were given up: system_list_webhook_dead_letters',
  ]);
});

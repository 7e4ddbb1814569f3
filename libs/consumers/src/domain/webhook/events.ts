import { z } from 'zod';
import { defineEvent, idSchema, type EventOf } from '#kernel';

const webhook_id = idSchema('webhook');

export const WebhookCreated = defineEvent(
  'system.webhook.created',
  1,
  z.object({
    webhook_id,
    name: z.string(),
    /** Scheme, host and port. The whole URL may be a capability and is kept with the signing secret. */
    origin: z.string(),
    /** Into the secret store: URL and signing secret. */
    endpoint_ref: z.string(),
    kind_prefix: z.array(z.string()),
    stream: z.array(z.string()),
    subject: z.array(z.string()),
    severity: z.enum(['info', 'warning', 'high', 'critical']),
    max_attempts: z.number().int(),
  }),
);
export const WebhookDeleted = defineEvent('system.webhook.deleted', 1, z.object({ webhook_id }), {
  ends: 'webhook_id',
});
export const WebhookRedeliveryRequested = defineEvent(
  'system.webhook.redelivery_requested',
  1,
  z.object({ webhook_id, event_ids: z.array(z.string()) }),
);

const delivery = z.object({ webhook_id, event_id: z.uuid(), attempts: z.number().int(), error: z.string() });

/** Its endpoint does not take what is sent: told once, not for each try, until it has recovered. */
export const WebhookFailing = defineEvent('system.webhook.failing', 1, delivery, { severity: 'warning' });
/** Events are being given up: told at the first one, until it has recovered. */
export const WebhookDeadLettered = defineEvent('system.webhook.dead_lettered', 1, delivery, { severity: 'high' });
/** Deliveries succeed again. */
export const WebhookRecovered = defineEvent(
  'system.webhook.recovered',
  1,
  z.object({ webhook_id, was: z.enum(['failing', 'dead_lettering']) }),
);

export const consumerEvents = [
  WebhookCreated,
  WebhookDeleted,
  WebhookRedeliveryRequested,
  WebhookFailing,
  WebhookDeadLettered,
  WebhookRecovered,
] as const;
export type WebhookEvent = EventOf<(typeof consumerEvents)[number]>;
export type WebhookCreatedData = EventOf<typeof WebhookCreated>['data'];

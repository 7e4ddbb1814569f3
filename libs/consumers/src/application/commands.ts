import { Command } from '#processing';
import type { WebhookCreatedData } from '../domain/webhook/events.js';

/** Takes the name before a secret is kept for the webhook: one that is refused then leaves nothing behind. */
export class ClaimWebhookName extends Command<{ readonly webhook_id: string; readonly name: string }, void> {
  static readonly type = 'consumers.claim_webhook_name';
}
/** Answers the reference of the endpoint that counts: an earlier try of the same call may have stored another. */
export class CreateWebhook extends Command<
  { readonly webhook: WebhookCreatedData },
  { readonly webhook_id: string; readonly endpoint_ref: string }
> {
  static readonly type = 'consumers.create_webhook';
}
/** Shreds the signing secret; deliveries end. */
export class DeleteWebhook extends Command<{ readonly webhook_id: string }, void> {
  static readonly type = 'consumers.delete_webhook';
}
export class RedeliverWebhook extends Command<
  { readonly webhook_id: string; readonly event_ids: readonly string[] },
  void
> {
  static readonly type = 'consumers.redeliver_webhook';
}

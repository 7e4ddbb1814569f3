import { accept, assertNever, nothing, refusal, reject, type Decider, type Decision } from '#kernel';
import {
  WebhookCreated,
  WebhookDeleted,
  WebhookRedeliveryRequested,
  type WebhookCreatedData,
  type WebhookEvent,
} from './events.js';

export type WebhookState =
  { readonly status: 'none' } | { readonly status: 'active' | 'deleted'; readonly webhook: WebhookCreatedData };

export type WebhookCommand =
  | { readonly type: 'create'; readonly webhook: WebhookCreatedData }
  | { readonly type: 'delete' }
  | { readonly type: 'redeliver'; readonly eventIds: readonly string[] };

const gone = () => reject(refusal(404, 'webhook_not_found', 'there is no such webhook', { field: 'webhook_id' }));

const decide = (command: WebhookCommand, state: WebhookState): Decision<WebhookEvent> => {
  switch (command.type) {
    case 'create':
      return state.status === 'none' ? accept(WebhookCreated(command.webhook)) : nothing('already_created');
    case 'delete':
      if (state.status === 'none') return gone();
      if (state.status === 'deleted') return nothing('already_deleted');
      return accept(WebhookDeleted({ webhook_id: state.webhook.webhook_id }));
    case 'redeliver': {
      if (state.status !== 'active') return gone();
      const { webhook_id } = state.webhook;
      const event_ids = [...new Set(command.eventIds)];
      return event_ids.length === 0
        ? nothing('nothing_dead')
        : accept(WebhookRedeliveryRequested({ webhook_id, event_ids }));
    }
    default:
      return assertNever(command);
  }
};

const evolve = (state: WebhookState, event: WebhookEvent): WebhookState => {
  switch (event.type) {
    case 'system.webhook.created':
      return { status: 'active', webhook: event.data };
    case 'system.webhook.deleted':
      return state.status === 'none' ? state : { ...state, status: 'deleted' };
    case 'system.webhook.redelivery_requested':
      return state;
    default:
      return assertNever(event);
  }
};

export const webhookDecider: Decider<WebhookState, WebhookCommand, WebhookEvent> = {
  initial: { status: 'none' },
  decide,
  evolve,
};

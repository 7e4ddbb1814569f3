import { accept, assertNever, nothing, refusal, reject, type Decider, type Decision } from '#kernel';
import {
  WebhookCreated,
  WebhookDeadLettered,
  WebhookDeleted,
  WebhookFailing,
  WebhookRecovered,
  WebhookRedeliveryRequested,
  type WebhookCreatedData,
  type WebhookEvent,
} from './events.js';

export type WebhookState =
  | { readonly status: 'none' }
  | { readonly status: 'active' | 'deleted'; readonly webhook: WebhookCreatedData; readonly health: WebhookHealth };

export type WebhookHealth = 'well' | 'failing' | 'dead_lettering';

export interface FailedDelivery {
  readonly eventId: string;
  readonly attempts: number;
  readonly error: string;
}

export type WebhookCommand =
  | { readonly type: 'create'; readonly webhook: WebhookCreatedData }
  | { readonly type: 'delete' }
  | { readonly type: 'redeliver'; readonly eventIds: readonly string[] }
  /** What deliveries came to; only what is news becomes an event. */
  | { readonly type: 'report'; readonly health: 'well' }
  | ({ readonly type: 'report'; readonly health: 'failing' | 'dead_lettering' } & FailedDelivery);

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
    case 'report':
      return state.status === 'active' ? report(command, state) : nothing('no_such_webhook');
    default:
      return assertNever(command);
  }
};

/** From bad to worse and back: each change once, so an outage of any length is three events at most. */
const report = (
  command: Extract<WebhookCommand, { type: 'report' }>,
  { webhook: { webhook_id }, health }: Extract<WebhookState, { webhook: WebhookCreatedData }>,
): Decision<WebhookEvent> => {
  if (command.health === 'well') {
    return health === 'well' ? nothing('it_was_well') : accept(WebhookRecovered({ webhook_id, was: health }));
  }
  if (health === command.health || health === 'dead_lettering') return nothing('told_before');
  const { eventId: event_id, attempts, error } = command;
  const told = { webhook_id, event_id, attempts, error };
  return accept(command.health === 'failing' ? WebhookFailing(told) : WebhookDeadLettered(told));
};

const evolve = (state: WebhookState, event: WebhookEvent): WebhookState => {
  switch (event.type) {
    case 'system.webhook.created':
      return { status: 'active', webhook: event.data, health: 'well' };
    case 'system.webhook.deleted':
      return state.status === 'none' ? state : { ...state, status: 'deleted' };
    case 'system.webhook.redelivery_requested':
      return state;
    case 'system.webhook.failing':
      return withHealth(state, 'failing');
    case 'system.webhook.dead_lettered':
      return withHealth(state, 'dead_lettering');
    case 'system.webhook.recovered':
      return withHealth(state, 'well');
    default:
      return assertNever(event);
  }
};

const withHealth = (state: WebhookState, health: WebhookHealth): WebhookState =>
  state.status === 'none' ? state : { ...state, health };

export const webhookDecider: Decider<WebhookState, WebhookCommand, WebhookEvent> = {
  initial: { status: 'none' },
  decide,
  evolve,
};

import { isoTime } from '#kernel';
import { statusOfState } from '#tools';
import type { WebhookDoc } from '../projections/webhooks.js';
import type { DeliveryState } from '../webhooks/rows.js';

type Known = (DeliveryState & { readonly deadLetters?: number }) | undefined;

const stateOf = ({ status, health }: WebhookDoc, known: Known): string => {
  if (status !== 'active') return status;
  if (health !== 'well') return health;
  return (known?.attempts ?? 0) > 0 ? 'retrying' : 'delivering';
};

const givenUp = (dead: number): string => {
  if (dead === 0) return 'no event was given up';
  return `${dead === 1 ? '1 event was' : `${dead} events were`} given up: system_list_webhook_dead_letters`;
};

/** What is wanted of a webhook is that it be there: one generation, observed once the lane that delivers for it has begun. */
export const webhookConditions = (doc: WebhookDoc, known: Known) => {
  const state = stateOf(doc, known);
  const dead = known?.deadLetters ?? 0;
  const last = known?.lastDeliveredMs;
  return statusOfState({
    state,
    ready: ['delivering', 'retrying'],
    progressing: ['retrying'],
    degraded: ['failing', 'dead_lettering'],
    resting: ['deleted'],
    since: last == null ? doc.created_at : isoTime(last),
    error: doc.health === 'well' ? null : (known?.lastError ?? `its deliveries are ${doc.health.replaceAll('_', ' ')}`),
    generation: doc.status === 'active' ? 1 : null,
    observedGeneration: doc.status === 'active' && known === undefined ? null : doc.status === 'active' ? 1 : null,
    also: [
      {
        type: 'Delivering',
        holds: state === 'delivering',
        reason: state === 'delivering' ? 'NothingFails' : 'LastTryFailed',
        message: last == null ? 'nothing was delivered yet' : `the last delivery was at ${isoTime(last)}`,
      },
      {
        type: 'DeadLetters',
        holds: dead > 0,
        reason: dead > 0 ? 'EventsGivenUp' : 'None',
        message: givenUp(dead),
      },
    ],
  });
};

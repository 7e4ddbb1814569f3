import { deterministicId } from '#kernel';
import { webhookDecider, type WebhookCommand, type WebhookState } from './decide.js';
import type { WebhookCreatedData } from './events.js';

const webhook = { webhook_id: deterministicId('webhook', 'one'), name: 'w' } as unknown as WebhookCreatedData;
type Report = Extract<WebhookCommand, { type: 'report' }>;
const well: Report = { type: 'report', health: 'well' };
const bad = (health: 'failing' | 'dead_lettering', attempts = 3): Report => ({
  ...{ type: 'report', health, attempts },
  ...{ eventId: '7d9f2c1e-3a4b-4c5d-8e6f-0a1b2c3d4e5f', error: 'HTTP 500' },
});
const kinds = (reports: readonly Report[], status: 'active' | 'deleted' = 'active'): string[] => {
  let state: WebhookState = { status, webhook, health: 'well' };
  return reports.flatMap((report) => {
    const decision = webhookDecider.decide(report, state);
    if (decision.kind !== 'accept') return [];
    for (const event of decision.events) state = webhookDecider.evolve(state, event);
    return decision.events.map((event) => event.type.replace('system.webhook.', ''));
  });
};

it.each([
  [[well, well], []],
  [
    [bad('failing'), bad('failing', 4), bad('failing', 5), well, well],
    ['failing', 'recovered'],
  ],
  [
    [bad('failing'), bad('dead_lettering', 9), bad('failing'), bad('dead_lettering'), well, bad('failing')],
    ['failing', 'dead_lettered', 'recovered', 'failing'],
  ],
  [[bad('dead_lettering', 1), bad('dead_lettering', 1)], ['dead_lettered']],
])('each change of health is told once (%#)', (reports, told) => expect(kinds(reports)).toEqual(told));

it('of a webhook that was deleted there is nothing to tell', () =>
  expect(kinds([bad('failing'), well], 'deleted')).toEqual([]));

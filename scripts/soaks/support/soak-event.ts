import { randomUUID } from 'node:crypto';
import type { NewEvent } from '#event-store';

/** An event with nothing in it but its id. */
export const soakEvent = (): NewEvent => ({
  id: randomUUID(),
  type: 'soak.happened',
  schemaVersion: 1,
  data: {},
  meta: {
    accountId: 'account-soak',
    actor: { kind: 'system', id: 'soak' },
    commandId: 'soak',
    correlationId: 'soak',
    causationId: 'soak',
    occurredAt: '2026-01-02T03:04:05.678Z',
    severity: 'info',
    links: {},
    topics: [],
  },
});

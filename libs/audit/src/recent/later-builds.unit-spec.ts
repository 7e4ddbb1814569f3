import { PostgresRecentEvents } from './postgres-recent-events.js';

const envelope = (position: string, type: string): string =>
  JSON.stringify({
    ...{ id: `e${position}`, stream: 'node-1', version: 1, type, schemaVersion: 1, data: { hostname: 'a' }, position },
    meta: {
      ...{ accountId: 'a', actor: { kind: 'system', id: 'x' }, commandId: 'c', correlationId: 'c', causationId: 'c' },
      ...{ occurredAt: '2026-01-01T00:00:00.000Z', severity: 'info', links: {}, topics: [] },
    },
    recordedAt: '2026-01-01T00:00:00.000Z',
  });

it('shows an event of a later build as it is stored, beside the others', async () => {
  const rows = ['2', '1'].map((position) => {
    const type = position === '2' ? 'system.of_a_later_build' : 'system.node.created';
    return { head: '2', position, envelope: envelope(position, type) };
  });
  const current = <E extends { readonly type: string }>(event: E): E => {
    if (event.type === 'system.of_a_later_build') throw new Error('this build does not know it');
    return event;
  };
  const recent = new PostgresRecentEvents({ query: async () => ({ rows }) } as never, { current });
  const { events } = await recent.find({ accountId: 'a', kindPrefix: '', limit: 10 });
  expect(events.map(({ kind }) => kind)).toEqual(['system.node.created', 'system.of_a_later_build']);
});

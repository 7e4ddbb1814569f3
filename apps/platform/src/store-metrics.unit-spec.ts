import { Registry } from 'prom-client';
import type { AppendOutcome, EventStore, NewEvent } from '#event-store';
import { StoreMetrics } from './store-metrics.js';

const VIP = 'system.sdwan.virtual_ip';
const event = (type: string, data: object = {}) => ({ type, data }) as unknown as NewEvent;
const appended = { kind: 'appended', version: 1, position: 1n } as unknown as AppendOutcome;

const setUp = (answers: readonly (AppendOutcome | Error)[]) => {
  let at = 0;
  const inner = {
    capabilities: { adapter: 'memory' },
    append: async () => {
      const answer = answers[at++]!;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    head: async () => 7n,
  } as unknown as EventStore;
  const metrics = new StoreMetrics({ monotonicMs: () => 0 });
  const registry = new Registry();
  metrics.register(registry);
  const store = metrics.meter(inner);
  const append = (...events: NewEvent[]) => store.append({ stream: 's-1', expected: 'any', events });
  const lines = async () => (await registry.metrics()).split('\n').filter((line) => /^drover/.test(line));
  return { store, append, lines };
};

it('counts every append by its outcome, and only what was written by its type', async () => {
  const { append, lines } = setUp([appended, { kind: 'conflict', actual: 2 }, new Error('gone')]);
  await append(event('a.made'), event('a.made'));
  expect(await append(event('a.made'))).toEqual({ kind: 'conflict', actual: 2 });
  await expect(append(event('a.made'))).rejects.toThrow('gone');
  const shown = await lines();
  expect(shown).toEqual(
    expect.arrayContaining([
      'drover_appends_total{outcome="appended"} 1',
      'drover_appends_total{outcome="conflict"} 1',
      'drover_appends_total{outcome="failed"} 1',
      'drover_events_appended_total{type="a.made"} 2',
      'drover_append_seconds_count 3',
    ]),
  );
});

it('counts failovers by how they ended; a sentence never becomes a label', async () => {
  const { append, lines } = setUp([appended, appended]);
  await append(event(`${VIP}.moved`, { reason: 'lease_lost', outage_estimate_ms: 800 }));
  await append(event(`${VIP}.stranded`, { reason: 'nobody of node-7 answers' }));
  const shown = (await lines()).join('\n');
  expect(shown).toContain('drover_vip_failovers_total{outcome="moved",reason="lease_lost"} 1');
  expect(shown).toContain('drover_vip_failovers_total{outcome="stranded",reason=""} 1');
  expect(shown).toContain('drover_vip_outage_seconds_sum 0.8');
  expect(shown).not.toContain('node-7');
});

it('is the store it stands for: reading backwards is offered only where the store has it', async () => {
  const { store } = setUp([]);
  expect('readBackwards' in store).toBe(false);
  expect(store.capabilities.adapter).toBe('memory');
  expect(await store.head()).toBe(7n);
});

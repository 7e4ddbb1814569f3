import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentGateway, AgentObserver } from '#agent-gateway';
import type { ProcessingFacts } from './processing-metrics.js';
import { EventsController } from './http/events.controller.js';
import { Metrics } from './metrics.js';
import { StoreMetrics } from './store-metrics.js';
import { ROOT } from './version.js';

interface Shown {
  readonly name: string;
  readonly type: string;
  readonly help: string;
}

/** Everything that a running platform registers, with nothing behind it. */
const everything = () => {
  const metrics = new Metrics();
  const observers: AgentObserver[] = [];
  const census = { connected: 3, away: 1, suspected: 0, lost: 2 };
  const gateway: Pick<AgentGateway, 'addObserver' | 'census'> = {
    addObserver: (observer) => void observers.push(observer),
    census: () => census,
  };
  const status = async () => ({ role: 'leading', epoch: 1, lanes: [], faults: [] });
  metrics.watchProcessing({ status, projectionReports: async () => [] } as unknown as ProcessingFacts);
  metrics.watchAgents(gateway);
  metrics.watchStore(new StoreMetrics({ monotonicMs: () => 0 }));
  new EventsController({ consumers: 0, pendingBytes: 0 } as never, metrics);
  return { metrics, observers };
};

const shown = (text: string): Shown[] =>
  [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$/gm)].map(([, name, help, type]) => ({
    name: name!,
    help: help!,
    type: type!,
  }));

/** The rules of `promtool check metrics`, as far as they concern names, types and help. */
const faultsOf = ({ name, type, help }: Shown): string[] => {
  const rules: readonly (readonly [boolean, string])[] = [
    [help.trim() === '', 'no help text'],
    [!/^[a-z][a-z0-9_]*$/.test(name), 'names are lower case with underscores'],
    [type === 'counter' && !name.endsWith('_total'), 'counters end with _total'],
    [type !== 'counter' && name.endsWith('_total'), 'only counters end with _total'],
    [/_(bucket|count|sum)$/.test(name), 'suffix that belongs to histograms'],
    [/(milliseconds|_ms|minutes|hours|kilobytes|megabytes|_kb|_mb|percent)(_|$)/.test(name), 'not a base unit'],
    [/_(gauge|counter|histogram|summary)(_|$)/.test(name), 'its type does not belong into its name'],
    [type === 'untyped', 'no type'],
  ];
  return rules.flatMap(([broken, why]) => (broken ? [`${name}: ${why}`] : []));
};

it('would pass promtool', async () => {
  const { metrics } = everything();
  const all = shown((await metrics.scrape()).text);
  const own = all.filter(({ name }) => name.startsWith('drover_'));
  expect(own.length).toBeGreaterThan(15);
  expect(own.flatMap(faultsOf)).toEqual([]);
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  expect(faultsOf({ name: 'drover_lag_ms', type: 'counter', help: '' })).toHaveLength(3);
});

it('is documented in docs/reference/metrics.md, name by name', async () => {
  const { metrics } = everything();
  const rows = shown((await metrics.scrape()).text)
    .filter(({ name }) => name.startsWith('drover_'))
    .map(({ name, type, help }) => `| \`${name}\` | ${type} | ${help} |`)
    .sort();
  const documented = readFileSync(join(ROOT, 'docs/reference/metrics.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `drover_'));
  expect(documented).toEqual(rows);
});

it('has every metric that the Grafana dashboard asks for, and the dashboard shows every one of ours', async () => {
  const { metrics } = everything();
  const all = shown((await metrics.scrape()).text);
  const series = new Set(
    all.flatMap(({ name, type }) => (type === 'histogram' ? ['_bucket', '_sum', '_count'].map((s) => name + s) : name)),
  );
  const text = readFileSync(join(ROOT, 'docs/grafana/drover.json'), 'utf8');
  const panels = (JSON.parse(text) as { panels: { targets: { expr: string }[] }[] }).panels;
  const asked = panels.flatMap(({ targets }) =>
    targets.flatMap(({ expr }) => expr.match(/\b(drover|process|nodejs)_[a-z0-9_]+/g) ?? []),
  );
  expect(asked.filter((name) => !series.has(name))).toEqual([]);
  const unseen = all.filter(({ name }) => name.startsWith('drover_') && !text.includes(name));
  expect(unseen.map(({ name }) => name)).toEqual([]);
});

it('counts agents by state, and what became of a push; agents that did not answer do not flatter the p99', async () => {
  const { metrics, observers } = everything();
  const settled = { section: 'vips', generation: 9n, applied: 3, behind: ['instance-1'], p50Ms: 20, p99Ms: 250 };
  for (const observer of observers) {
    await observer.onSettled?.(settled);
    await observer.onSettled?.({ ...settled, applied: 0, p50Ms: 0, p99Ms: 0 });
  }
  const { text } = await metrics.scrape();
  for (const line of [
    'drover_agents{state="connected"} 3',
    'drover_agents{state="lost"} 2',
    'drover_push_p99_seconds{section="vips"} 0.25',
    'drover_push_settle_seconds_count{section="vips"} 1',
    'drover_push_receipts_total{section="vips",outcome="applied"} 3',
    'drover_push_receipts_total{section="vips",outcome="behind"} 2',
  ])
    expect(text).toContain(`${line}\n`);
  expect(text).not.toContain('instance-1');
});

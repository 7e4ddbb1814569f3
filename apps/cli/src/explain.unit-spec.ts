import { renderStory, type Story } from './explain.js';
import { shortDuration, wrap } from './text.js';
import { renderPrediction, whatIfArguments, type Prediction } from './what-if.js';
import type { Tool } from './catalogue.js';

const entry = (
  depth: number,
  title: string,
  more: Partial<Story['entries'][number]> = {},
): Story['entries'][number] => ({
  depth,
  type: 'event',
  relation: depth === 0 ? null : 'caused_by',
  at: '2026-11-21T08:09:43.146Z',
  after_ms: 8,
  gap: false,
  title,
  severity: 'info',
  ...more,
});

const story: Story = {
  subject: { kind: 'instance', id: 'instance-1', name: 'k3s-server-1' },
  began_at: '2026-11-21T08:09:43.146Z',
  ended_at: '2026-11-21T08:09:53.114Z',
  duration_ms: 9_968,
  entries: [
    entry(0, 'system_drain_instance id=k3s-server-1 by operator admin', { type: 'call', after_ms: 0 }),
    entry(1, 'instance.drain_requested timeout_seconds=600'),
    entry(2, 'sdwan_manager: draining: its virtual IPs go first; → sdwan.move_virtual_ip_away', { type: 'decision' }),
    entry(1, 'k3s-server-1 reports instance.lost', {
      type: 'report',
      relation: 'answers',
      severity: 'high',
      after_ms: 61_000,
      gap: true,
    }),
  ],
  phases: [
    {
      name: 'draining',
      of: 'k3s-server-1',
      started_at: '2026-11-21T08:09:43.146Z',
      duration_ms: 1_835,
      outcome: 'done',
    },
    { name: 'lost', of: 'k3s-server-1', started_at: '2026-11-21T08:09:50.000Z', duration_ms: null, outcome: 'open' },
  ],
  failures: [{ at: '2026-11-21T08:09:50.000Z', kind: 'system.instance.lost', reason: 'silent_ms=3000' }],
  left_out: 0,
  incomplete: false,
};

it('draws a story as a tree with times, waits, phases and failures', () => {
  expect(renderStory(story, 82, false)).toBe(
    `instance k3s-server-1  instance-1
2026-11-21T08:09:43.146Z to 08:09:53.114, 10.0 s

08:09:43.146           ▶ system_drain_instance id=k3s-server-1 by operator admin
08:09:43.146     +8 ms ├ instance.drain_requested timeout_seconds=600
08:09:43.146     +8 ms │ └ ◆ sdwan_manager: draining: its virtual IPs go first;
                       │     → sdwan.move_virtual_ip_away
08:09:43.146   +1m 01s └ ↷ ● k3s-server-1 reports instance.lost

phases
08:09:43.146     1.8 s draining (k3s-server-1) ████████████████████████
08:09:50.000      open lost (k3s-server-1)

failures
08:09:50.000 instance.lost silent_ms=3000`,
  );
});

it('stays within the columns, however deep and long', () => {
  const deep = Array.from({ length: 30 }, (_, depth) => entry(depth, `${'word '.repeat(20)}${'x'.repeat(200)}`));
  const lines = renderStory({ ...story, entries: deep }, 100, false).split('\n');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
  expect(renderStory(story, 100, true)).toContain('\x1b[31m');
  expect(
    renderStory({ ...story, began_at: null, ended_at: null, entries: [], phases: [], failures: [] }, 100, false),
  ).toContain('nothing happened');
});

it.each([
  [0, '0 ms'],
  [999.6, '1000 ms'],
  [1_049, '1.0 s'],
  [61_000, '1m 01s'],
  [3_660_000, '1h 01m'],
])('%d ms is %s', (ms, text) => expect(shortDuration(ms)).toBe(text));

it('breaks lines between words and cuts what is longer', () => {
  expect(wrap('aa bb cccccc', 5)).toEqual(['aa bb', 'ccccc', 'c']);
  expect(wrap('', 5)).toEqual(['']);
});

const tool = {
  name: 'system_drain_instance',
  aliases: {},
  input_schema: { properties: { id: { type: 'string' } }, required: ['id'] },
} as unknown as Tool;

it('takes the horizon for what_if and leaves the rest to the tool that is tried', () => {
  expect(whatIfArguments(tool, tool.name, ['k3s-server-1', '--horizon', '5'])).toEqual({
    tool: tool.name,
    arguments: { id: 'k3s-server-1' },
    horizon_seconds: 5,
  });
  expect(whatIfArguments(undefined, 'nonsense', ['a=1', '--horizon-seconds=7'])).toEqual({
    tool: 'nonsense',
    arguments: { a: 1 },
    horizon_seconds: 7,
  });
});

it('shows a prediction: events, moves, nodes and what nobody knows', () => {
  const prediction: Prediction = {
    tool: 'system_drain_instance',
    outcome: 'done',
    warnings: ['outage_expected'],
    answered_after_ms: 0,
    horizon_seconds: 60,
    events: [
      {
        at_ms: 12,
        kind: 'system.instance.drained',
        stream: 'instance-00000000-0000-4000-8000-000000000001',
        severity: 'info',
        caused_by: 'call',
      },
    ],
    nodes_touched: [
      {
        instance_id: 'instance-1',
        name: 'k1',
        sections: [
          {
            section: 'network/n',
            changes: [
              {
                item: 'peer/p',
                change: 'changed',
                fields: [{ field: 'allowed_ips', added: ['fd00::1/128'], removed: [] }],
              },
            ],
          },
        ],
      },
    ],
    vip_moves: [
      {
        virtual_ip_id: 'v',
        address: 'fd00::100',
        from: 'instance-1',
        to: null,
        outcome: 'stranded',
        at_ms: 5,
        reason: 'drain',
      },
    ],
    cannot_predict: ['what nodes report'],
  };
  const text = renderPrediction(prediction, 100, false);
  for (const line of [
    'would be done after 0 ms',
    'warning: outage_expected',
    '+12 ms  instance.drained',
    'instance-00000000',
    'stranded, was with k1 (drain)',
    '~ peer/p',
    'allowed_ips: +fd00::1/128',
    '- what nodes report',
  ])
    expect(text).toContain(line);
});

it('tells an operator first how it stands, why, and what to do', () => {
  const stands = {
    state: 'running',
    since: '2026-11-21T08:09:43.146Z',
    causes: ['k3s-agent degraded: the disk of /var/lib/rancher/k3s is full'],
    next_action: 'make room',
  };
  const lines = renderStory({ ...story, now: stands }, 120, false)
    .split('\n\n')[1]!
    .split('\n');
  expect(lines.map((line) => line.trim().replace(/ {2,}/, ': '))).toEqual([
    'now: running since 2026-11-21T08:09:43.146Z',
    'cause: k3s-agent degraded: the disk of /var/lib/rancher/k3s is full',
    'next: make room',
  ]);
});

import { deterministicUuid } from '#kernel';
import type { EventMeta, RecordedEvent } from '#event-store';
import { growStory, type StoryNode } from './tree.js';

let position = 0;
const event = (stream: string, type: string, data: object, meta: Partial<EventMeta>, version = 1): RecordedEvent => ({
  id: `e${++position}`,
  stream,
  version,
  position: BigInt(position) as RecordedEvent['position'],
  recordedAt: new Date(Date.UTC(2026, 0, 1) + position * 10).toISOString(),
  type,
  schemaVersion: 1,
  data: { ...data },
  meta: {
    accountId: 'a',
    actor: { kind: 'operator', id: 'op' },
    commandId: `c${position}`,
    correlationId: `c${position}`,
    causationId: `c${position}`,
    occurredAt: '',
    severity: 'info',
    links: {},
    topics: [],
    ...meta,
  },
});
const inbox = (manager: string, of: RecordedEvent, outputs: object[], more: Partial<EventMeta> = {}) =>
  event(
    `pm_${manager}-i1`,
    'system.pm.input_received',
    { manager, instance: 'i1', input: { kind: 'event', event: { id: of.id, type: of.type, data: of.data } }, outputs },
    {
      actor: { kind: 'process_manager', id: manager },
      correlationId: of.meta.correlationId,
      causationId: of.id,
      ...more,
    },
  );
const shape = (nodes: readonly StoryNode[]): unknown[] =>
  nodes.map(({ type, event: { type: kind }, relation, children }) => {
    const label = `${type}${type === 'call' ? '' : ` ${kind}`}${relation === 'answers' ? ' (answers)' : ''}`;
    return children.length === 0 ? label : [label, shape(children)];
  });

beforeEach(() => (position = 0));

it('hangs a call, its events, a decision, its command and what that appended under one another', () => {
  const asked = event(
    'instance-1',
    'system.instance.drain_requested',
    {},
    { correlationId: 'call', causationId: 'call' },
  );
  const decided = inbox('drains', asked, [
    { kind: 'note', text: 'goes' },
    { kind: 'command', type: 'x.drain', payload: {} },
  ]);
  const commandId = deterministicUuid('pm_command', decided.stream, 1, 1);
  const pm = { kind: 'process_manager', id: 'drains' } as const;
  const direct = event(
    'instance-1',
    'system.instance.drained',
    {},
    { actor: pm, commandId, correlationId: 'call', causationId: asked.id },
  );
  const step = event(
    'cluster-1',
    'system.k3s.node.draining',
    {},
    { actor: pm, correlationId: 'call', causationId: commandId },
  );
  const silent = inbox('deadlines', asked, []);
  expect(shape(growStory([asked, decided, direct, step, silent]))).toEqual([
    [
      'call',
      [
        [
          'event system.instance.drain_requested',
          [['decision system.pm.input_received', ['event system.instance.drained', 'event system.k3s.node.draining']]],
        ],
      ],
    ],
  ]);
});

it('tells what nodes reported from what that led to, and marks the edge that no id proves', () => {
  const agent = { kind: 'agent', id: 'instance-1' } as const;
  const told = event(
    'instance-1',
    'system.k3s.module.assigned',
    { instance_id: 'instance-1' },
    { correlationId: 'call', causationId: 'call' },
  );
  const said = event(
    'cluster-1',
    'system.k3s.handshake.bootstrap',
    { instance_id: 'instance-1' },
    { actor: agent, commandId: 'p', correlationId: 'p' },
  );
  const led = event(
    'virtual_ip-1',
    'system.sdwan.virtual_ip.allocated',
    {},
    { actor: agent, correlationId: 'p', causationId: 'p' },
  );
  expect(shape(growStory([told, said, led]))).toEqual([
    [
      'call',
      [
        [
          'event system.k3s.module.assigned',
          [['report system.k3s.handshake.bootstrap (answers)', ['event system.sdwan.virtual_ip.allocated']]],
        ],
      ],
    ],
  ]);
});

it('shows a refused command, a timer by who set it, and what came from nowhere as a root of its own', () => {
  const system = { kind: 'system', id: 's' } as const;
  const lost = event('instance-1', 'system.instance.lost', {}, { actor: { kind: 'agent', id: 'instance-1' } });
  const armed = inbox('deadlines', lost, [{ kind: 'timer', name: 'due', dueMs: 1 }]);
  const input = { kind: 'timer', name: 'due', setAt: 1 };
  const fired = event(
    armed.stream,
    'system.pm.input_received',
    { manager: 'deadlines', input, outputs: [{ kind: 'note', text: 'late' }] },
    { actor: system, correlationId: lost.meta.correlationId },
    2,
  );
  const answer = { kind: 'command_result', command: 'x', outcome: 'refused', of: { version: 2, index: 0 } };
  const refused = event(
    armed.stream,
    'system.pm.input_received',
    { manager: 'deadlines', input: answer, outputs: [] },
    { actor: system, correlationId: lost.meta.correlationId },
    3,
  );
  const alone = event('instance-2', 'system.instance.lost', {}, { actor: system });
  expect(shape(growStory([lost, armed, fired, refused, alone]))).toEqual([
    [
      'report system.instance.lost',
      [
        [
          'decision system.pm.input_received',
          [['decision system.pm.input_received', ['decision system.pm.input_received']]],
        ],
      ],
    ],
    'event system.instance.lost',
  ]);
});

import type { RecordedEvent } from '#event-store';
import type { SpanFacts } from './span.js';
import { Traces } from './traces.js';

const INSTANCE = 'instance-1';
let spans: SpanFacts[];
let traces: Traces;

const event = (position: bigint): RecordedEvent =>
  ({
    position,
    stream: 'template-1',
    type: 'system.template.created',
    data: {},
    recordedAt: '2026-01-01T00:00:00.000Z',
    meta: { correlationId: '00000000-0000-4000-8000-000000000001', commandId: `command-${position}` },
  }) as unknown as RecordedEvent;
const events = (...positions: number[]) => positions.map((one) => event(BigInt(one)));
const names = () => spans.map(({ name, attributes }) => [name, attributes['drover.position'] ?? 'push']);

beforeEach(() => {
  spans = [];
  traces = new Traces(
    { span: (facts) => void spans.push(facts), close: async () => undefined },
    { wallMs: () => 1_000 },
  );
  traces.beginAt(10n);
});

it('tells nothing of what the log held before the process began', () => {
  traces.projecting('nodes')(events(8, 9, 10));
  traces.pushes.folded(event(10n), [INSTANCE]);
  traces.pushes.pushed(INSTANCE, ['modules'], 1n);
  traces.pushes.applied(INSTANCE, 'modules', 1n, 0);
  expect(spans).toEqual([]);
});

it('tells what came since, also of a batch that begins before', () => {
  traces.projecting('nodes')(events(9, 10, 11, 12));
  traces.pushes.folded(event(11n), [INSTANCE]);
  traces.pushes.pushed(INSTANCE, ['modules'], 1n);
  expect(names()).toEqual([
    ['project nodes', 11],
    ['project nodes', 12],
    ['push modules', 'push'],
  ]);
});

it('tells an event of a read model once, though that is built anew from the log; each read model for itself', () => {
  traces.projecting('nodes')(events(11, 12));
  traces.projecting('nodes')(events(1, 2, 11, 12, 13));
  traces.projecting('templates')(events(11));
  expect(names()).toEqual([
    ['project nodes', 11],
    ['project nodes', 12],
    ['project nodes', 13],
    ['project templates', 11],
  ]);
});

import type { Clock } from '#kernel';
import { categoryOf } from '#kernel';
import {
  withAppend,
  type AppendOutcome,
  type AppendRequest,
  type EventMeta,
  type EventStore,
  type RecordedEvent,
} from '#event-store';
import { Pushes } from './pushes.js';
import type { SpanFacts, SpanSink } from './span.js';
import { appendSpanId, callSpanId, stepSpanId, traceIdOf } from './trace-ids.js';

type Times = Pick<Clock, 'wallMs'>;

/** A batch of a projection that catches up is nobody's wait; only the last events of it are shown. */
const MAX_PROJECTED = 50;

/** Follows a tool call through append, projections and push to the agents' receipts. */
export class Traces {
  readonly pushes: Pushes;
  private from = 0n;
  /** As far as each projection has been told: one that is built anew passes the same events again. */
  private readonly told = new Map<string, bigint>();

  constructor(
    private readonly sink: SpanSink,
    private readonly clock: Times,
  ) {
    this.pushes = new Pushes(sink, clock);
  }

  /** The log's end as this process begins: what came before was told by who appended it, and is nobody's wait now. */
  beginAt(head: bigint): void {
    this.from = head;
    this.pushes.beginAt(head);
  }

  /** `correlationId` is empty where a call was refused before it had one. */
  toolCalled(tool: string, outcome: string, durationMs: number, correlationId: string): void {
    if (correlationId === '') return;
    const endMs = this.clock.wallMs();
    this.sink.span({
      traceId: traceIdOf(correlationId),
      spanId: callSpanId(correlationId),
      parentId: undefined,
      name: `tool ${tool}`,
      startMs: endMs - durationMs,
      endMs,
      attributes: { 'drover.tool': tool, 'drover.outcome': outcome },
      failed: outcome === 'failed',
    });
  }

  /** The same store, its appends shown. */
  watch(store: EventStore): EventStore {
    return withAppend(store, (request) => this.append(store, request));
  }

  /** A projection begins with some events; what is answered is called when they are written. */
  projecting(projection: string): (events: readonly RecordedEvent[]) => void {
    const startMs = this.clock.wallMs();
    return (events) => {
      const endMs = this.clock.wallMs();
      const before = this.told.get(projection) ?? this.from;
      const fresh = events.filter(({ position }) => position > before);
      if (fresh.length > 0) this.told.set(projection, fresh.at(-1)!.position);
      for (const { meta, stream, position } of fresh.slice(-MAX_PROJECTED)) {
        this.sink.span({
          traceId: traceIdOf(meta.correlationId),
          spanId: stepSpanId('projection', projection, String(position)),
          parentId: appendSpanId(meta.commandId, stream),
          name: `project ${projection}`,
          startMs,
          endMs,
          attributes: { 'drover.projection': projection, 'drover.position': Number(position) },
          failed: false,
        });
      }
    };
  }

  private async append(store: EventStore, request: AppendRequest): Promise<AppendOutcome> {
    const startMs = this.clock.wallMs();
    let outcome: AppendOutcome | undefined;
    try {
      return (outcome = await store.append(request));
    } finally {
      const first = request.events[0];
      if (first !== undefined) this.sink.span(this.appended(request, first.meta, startMs, outcome));
    }
  }

  private appended(
    { stream, events }: AppendRequest,
    { correlationId, commandId, via }: EventMeta,
    startMs: number,
    outcome: AppendOutcome | undefined,
  ): SpanFacts {
    const isAppended = outcome?.kind === 'appended';
    return {
      traceId: traceIdOf(correlationId),
      // A lost race is tried again, and that is another span of the same append.
      spanId: isAppended ? appendSpanId(commandId, stream) : stepSpanId('tried', commandId, stream, String(startMs)),
      // What follows from a call later, by a process manager, is in its trace, but not a part of the time that it took.
      parentId: via === undefined ? undefined : callSpanId(correlationId),
      name: `append ${categoryOf(stream)}`,
      startMs,
      endMs: this.clock.wallMs(),
      attributes: {
        'drover.stream.category': categoryOf(stream),
        'drover.event.type': events[0]!.type,
        'drover.events': events.length,
        'drover.outcome': outcome?.kind ?? 'failed',
        ...(isAppended ? { 'drover.position': Number(outcome.position) } : {}),
      },
      failed: outcome === undefined,
    };
  }
}

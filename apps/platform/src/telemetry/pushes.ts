import type { Clock } from '#kernel';
import type { RecordedEvent } from '#event-store';
import type { SpanSink } from './span.js';
import { appendSpanId, stepSpanId, traceIdOf } from './trace-ids.js';

interface Cause {
  readonly traceId: string;
  readonly parentId: string;
  readonly position: bigint;
  readonly atMs: number;
}
interface Sent {
  readonly causes: readonly Cause[];
  readonly generation: bigint;
  readonly sentMs: number;
}

/** Agents that are away hear nothing, and their causes end with the next ones: enough for what is under way. */
const MAX_INSTANCES = 2_000;
const MAX_CAUSES = 20;

/** From the fold of an event to the agents that it concerns, and back: what was sent, and what they have applied. */
export class Pushes {
  private from = 0n;
  private readonly waiting = new Map<string, Cause[]>();
  /** By instance and section. */
  private readonly sent = new Map<string, Sent>();

  constructor(
    private readonly sink: SpanSink,
    private readonly clock: Pick<Clock, 'wallMs'>,
  ) {}

  /** What is folded up to there, at the start, is no push of today. */
  beginAt(head: bigint): void {
    this.from = head;
  }

  /** An event may change what these instances should have. */
  folded({ meta, stream, position }: RecordedEvent, instanceIds: Iterable<string>): void {
    if (position <= this.from) return;
    const cause: Cause = {
      traceId: traceIdOf(meta.correlationId),
      parentId: appendSpanId(meta.commandId, stream),
      position,
      atMs: this.clock.wallMs(),
    };
    for (const instanceId of instanceIds) {
      const causes = this.waiting.get(instanceId) ?? [];
      if (causes.some((known) => known.position === position)) continue;
      this.waiting.set(instanceId, [...causes, cause].slice(-MAX_CAUSES));
      if (this.waiting.size > MAX_INSTANCES) this.waiting.delete(this.waiting.keys().next().value!);
    }
  }

  /** What an agent should have has been compiled; what changed since the last time was sent. */
  pushed(instanceId: string, sections: readonly string[], generation: bigint): void {
    const causes = this.waiting.get(instanceId) ?? [];
    this.waiting.delete(instanceId);
    if (causes.length === 0) return;
    const sentMs = this.clock.wallMs();
    for (const section of sections) {
      for (const cause of causes) {
        this.step('push', cause, instanceId, section, generation, cause.atMs, sentMs);
      }
      const key = `${instanceId} ${section}`;
      this.sent.delete(key);
      this.sent.set(key, { causes, generation, sentMs });
      if (this.sent.size > MAX_INSTANCES) this.sent.delete(this.sent.keys().next().value!);
    }
  }

  /** An agent's receipt. One for a later generation is also one for what it has skipped. */
  applied(instanceId: string, section: string, generation: bigint, errors: number): void {
    const key = `${instanceId} ${section}`;
    const sent = this.sent.get(key);
    if (sent === undefined || generation < sent.generation) return;
    this.sent.delete(key);
    const endMs = this.clock.wallMs();
    for (const cause of sent.causes) {
      const parentId = this.idOf('push', cause, instanceId, section);
      this.step('apply', { ...cause, parentId }, instanceId, section, generation, sent.sentMs, endMs, errors);
    }
  }

  private idOf(step: string, { position }: Cause, instanceId: string, section: string): string {
    return stepSpanId(step, String(position), instanceId, section);
  }

  private step(
    step: 'push' | 'apply',
    cause: Cause,
    instanceId: string,
    section: string,
    generation: bigint,
    startMs: number,
    endMs: number,
    errors = 0,
  ): void {
    // A section of a network bears the network's id.
    const kind = section.split(/[/:]/)[0]!;
    this.sink.span({
      traceId: cause.traceId,
      spanId: this.idOf(step, cause, instanceId, section),
      parentId: cause.parentId,
      name: step === 'push' ? `push ${kind}` : `agent applies ${kind}`,
      startMs,
      endMs,
      attributes: { 'drover.instance': instanceId, 'drover.section': kind, 'drover.generation': Number(generation) },
      failed: errors > 0,
    });
  }
}

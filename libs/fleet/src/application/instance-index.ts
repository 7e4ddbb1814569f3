import { categoryOf } from '#kernel';
import type { EventStore, RecordedEvent } from '#event-store';
import type { DesiredStateSource } from '#agent-gateway';
import { evolveInstance } from '../domain/instance/evolve.js';
import { noInstance, type InstanceEvent, type InstanceState } from '../domain/instance/state.js';

/** What every call of an agent is checked against. */
export interface Standing {
  readonly accountId: string;
  readonly phase: 'live' | 'terminated' | 'forgotten';
  readonly name: string;
  readonly serials: readonly string[];
  readonly revoked: boolean;
  /** Present as far as the log says: connected at some time, and not lost since. */
  readonly present: boolean;
}

const standingOf = (state: InstanceState, accountId: string): Standing | undefined => {
  if (state.kind === 'absent') return undefined;
  const { phase, certificate, previousSerial, revoked, name } = state;
  return {
    accountId,
    phase: phase === 'terminated' || phase === 'forgotten' ? phase : 'live',
    name,
    serials: [certificate?.serial, previousSerial].filter((serial) => typeof serial === 'string'),
    revoked,
    present: phase === 'running' && !state.lost,
  };
};

/**
 * Who may speak, in memory. It is fed as a source of the gateway (the same events, in order), and it answers from the stream
 * itself what it does not know yet.
 */
export class InstanceIndex implements DesiredStateSource {
  readonly name = 'fleet';
  private readonly known = new Map<string, { state: InstanceState; standing: Standing; version: number }>();

  constructor(private readonly store: EventStore) {}

  apply(event: RecordedEvent): Iterable<string> {
    if (categoryOf(event.stream) !== 'instance') return [];
    const before = this.known.get(event.stream);
    if (before !== undefined && event.version <= before.version) return [];
    const fact = { type: event.type, data: event.data } as unknown as InstanceEvent;
    const evolved = evolveInstance(before?.state ?? noInstance, fact);
    const state = evolved.kind === 'absent' ? evolved : { ...evolved, tokens: {}, presence: null, modules: {} };
    const standing = standingOf(state, before?.standing.accountId ?? event.meta.accountId);
    if (standing === undefined) return [];
    this.known.set(event.stream, { state, standing, version: event.version });
    return [];
  }

  adopt(other: InstanceIndex): void {
    for (const [id, known] of other.known) this.known.set(id, known);
  }

  compile(): ReadonlyMap<string, ReadonlyMap<string, unknown>> {
    return new Map();
  }

  /** The last known standing; undefined for an instance that was never heard of here. */
  peek(instanceId: string): Standing | undefined {
    return this.known.get(instanceId)?.standing;
  }

  /** Everybody there ever was. */
  *all(): Iterable<readonly [instanceId: string, standing: Standing]> {
    for (const [id, { standing }] of this.known) yield [id, standing];
  }

  /** Everybody who is present as far as was folded. */
  *present(): Iterable<readonly [instanceId: string, standing: Standing]> {
    for (const [id, { standing }] of this.known) if (standing.present) yield [id, standing];
  }

  /** From the stream itself: what an answer must rest on when memory does not know better. */
  async read(instanceId: string): Promise<Standing | undefined> {
    const from = (this.known.get(instanceId)?.version ?? 0) + 1;
    for await (const event of this.store.readStream(instanceId, from)) this.apply(event);
    return this.peek(instanceId);
  }
}

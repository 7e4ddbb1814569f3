import { deterministicUuid, isoTime, type Clock, type EventCatalogue, failpoint } from '#kernel';
import type { EventMeta, EventStore, NewEvent, Position } from '#event-store';
import type { ProcessManager } from '../process-manager.js';
import { advance, newInstance, toProcessInput, type Cause, type Instance, type InboxEntry } from './instance.js';
import { KeyedQueue } from '../keyed-queue.js';
import { Lru } from '../lru.js';
import { pmInputReceived, pmStream, type StoredInput, type StoredOutput } from './pm-events.js';

/** An input to be taken in, and the identity that makes taking it in twice impossible. */
export interface Arrival {
  readonly inputId: string;
  readonly input: StoredInput;
  readonly cause: Cause;
}

export type Received =
  | { readonly kind: 'received'; readonly position: Position }
  /** Taken in before, or no longer wanted when its turn came. */
  | { readonly kind: 'settled_before'; readonly position?: Position };

const MAX_TRIES = 16;

/** Loads process manager instances from their streams and takes inputs in, each exactly once. */
export class ProcessInstances {
  private readonly cache = new Lru<string, Instance>(2_000);
  private readonly queue = new KeyedQueue();

  constructor(
    private readonly store: EventStore,
    private readonly catalogue: EventCatalogue,
    private readonly clock: Pick<Clock, 'wallMs'>,
  ) {}

  /** The instance as its stream is now; in turn with what is being taken in. */
  read<S>(manager: ProcessManager<S>, id: string): Promise<Instance<S>> {
    return this.queue.run(pmStream(manager.name, id), () => this.load(manager, id));
  }

  private async load<S>(manager: ProcessManager<S>, id: string): Promise<Instance<S>> {
    const stream = pmStream(manager.name, id);
    let instance = (this.cache.get(stream) as Instance<S> | undefined) ?? newInstance(manager);
    if (instance.version > 0) return instance;
    for await (const event of this.store.readStream(stream)) {
      const { input, outputs } = pmInputReceived.schema.parse(
        this.catalogue.upcast(event.type, event.schemaVersion, event.data),
      );
      const { state } = manager.react(instance.state, toProcessInput(input, this.catalogue));
      instance = advance(instance, { id: event.id, version: event.version, meta: event.meta, input, outputs }, state);
    }
    if (instance.version > 0) this.cache.set(stream, instance);
    return instance;
  }

  /**
   * One append an input: the input and what `react` decided on it. `arrive` sees the instance as it is when the input's
   * turn comes and answers undefined when the input no longer applies (a cancelled timer, an answered command).
   */
  receive<S>(
    manager: ProcessManager<S>,
    id: string,
    arrive: (instance: Instance<S>) => Arrival | undefined,
  ): Promise<Received> {
    const stream = pmStream(manager.name, id);
    return this.queue.run(stream, async () => {
      for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
        const instance = await this.load(manager, id);
        const arrival = arrive(instance);
        if (arrival === undefined) return { kind: 'settled_before' };
        const { state, outputs } = manager.react(instance.state, toProcessInput(arrival.input, this.catalogue));
        const event = this.envelope(manager.name, id, arrival, outputs);
        const expected = instance.version === 0 ? 'no_stream' : instance.version;
        await failpoint('process.decided');
        const outcome = await this.append(stream, expected, event);
        await failpoint('process.received');
        if (outcome.kind === 'conflict') continue;
        if (outcome.kind === 'duplicate') return { kind: 'settled_before', position: outcome.position };
        const data = event.data as unknown as Pick<InboxEntry, 'input' | 'outputs'>;
        const entry = { id: event.id, version: outcome.version, meta: event.meta, ...data };
        this.cache.set(stream, advance(instance, entry, state) as Instance);
        return { kind: 'received', position: outcome.position };
      }
      throw new Error(`${stream} is being written by another process manager host`);
    });
  }

  private async append(stream: string, expected: number | 'no_stream', event: NewEvent) {
    try {
      const outcome = await this.store.append({ stream, expected, events: [event] });
      if (outcome.kind !== 'appended') this.cache.delete(stream);
      return outcome;
    } catch (error) {
      // The append may have succeeded all the same: the next try must look.
      this.cache.delete(stream);
      throw error;
    }
  }

  private envelope(manager: string, instance: string, arrival: Arrival, outputs: readonly object[]): NewEvent {
    const id = deterministicUuid('pm_input', manager, instance, arrival.inputId);
    const { accountId, correlationId, eventId, links } = arrival.cause;
    const meta: EventMeta = {
      accountId,
      actor: { kind: 'process_manager', id: manager },
      commandId: id,
      correlationId,
      causationId: eventId,
      occurredAt: isoTime(this.clock.wallMs()),
      severity: 'info',
      links,
      topics: [],
    };
    // Through JSON, so that what is folded now is what a restart reads back (no undefined, no class instances).
    const plain = JSON.parse(JSON.stringify(outputs)) as StoredOutput[];
    const data = pmInputReceived.schema.parse({ manager, instance, input: arrival.input, outputs: plain });
    return { id, type: pmInputReceived.type, schemaVersion: pmInputReceived.version, data, meta };
  }
}

import { categoryOf, uuidOf } from '#kernel';
import type { EventStore, RecordedEvent } from '#event-store';
import { commandIdsOf, inboxInput } from './inbox.js';
import { concerns } from './relevance.js';
import type { Subject } from './subject.js';

export interface Gathered {
  /** Of the account, in the order of the log; inboxes of process managers included. */
  readonly events: readonly RecordedEvent[];
  /** What ids are called. */
  readonly names: ReadonlyMap<string, string>;
  /** Set when the story was too large to be read whole. */
  readonly cut: boolean;
}

const MAX_STREAMS = 400;
const MAX_EVENTS = 20_000;
const ROUNDS = 3;
/**
 * Streams beside a thing's own, which bear its uuid: what nodes answered to what they were told, the rollouts of a cluster, what is done
 * to a node through the Kubernetes API.
 */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  sdwan_network: ['sdwan_network_receipts'],
  instance: ['instance_receipts', 'k3s_node'],
  cluster: ['cluster_rollout'],
};
/** What is read when it is mentioned. */
const ENTITY =
  /^(instance|cluster|etcd_restore|virtual_ip|sdwan_peer|sdwan_network|node|template|operator)-[0-9a-f-]{36}$/;

/**
 * Everything that concerns a subject, found by following ids from stream to stream instead of reading the log: its own stream
 * and the inboxes of process managers about it, then what those mention, and what shares a correlation with them.
 */
export const gather = async (
  store: Pick<EventStore, 'readStream'>,
  managers: readonly string[],
  account: string,
  subject: Subject,
): Promise<Gathered> => {
  const reader = new Reader(store, managers, account);
  await reader.read([subject.id]);
  let kept = keep(reader.events, subject);
  for (let round = 0; round < ROUNDS; round++) {
    const found = await reader.read(kept.flatMap(mentioned));
    kept = keep(reader.events, subject);
    if (!found) break;
  }
  return { events: kept, names: reader.names, cut: reader.cut };
};

class Reader {
  readonly names = new Map<string, string>();
  cut = false;
  private readonly seen = new Set<string>();
  private readonly known = new Map<string, RecordedEvent>();

  constructor(
    private readonly store: Pick<EventStore, 'readStream'>,
    private readonly managers: readonly string[],
    private readonly account: string,
  ) {}

  get events(): RecordedEvent[] {
    return [...this.known.values()].sort((a, b) => (a.position < b.position ? -1 : 1));
  }

  /** Reads the streams of these things that were not read before; false when there were none. */
  async read(ids: readonly string[]): Promise<boolean> {
    const fresh = [...new Set(ids)].flatMap((id) => this.streamsOf(id)).filter((stream) => !this.seen.has(stream));
    for (const stream of fresh) {
      if (this.seen.size >= MAX_STREAMS || this.known.size >= MAX_EVENTS) this.cut = true;
      if (this.cut) return false;
      this.seen.add(stream);
      await this.readStream(stream);
    }
    return fresh.length > 0;
  }

  private streamsOf(id: string): string[] {
    const category = categoryOf(id);
    if (category === 'operator') return [id];
    const inboxes = this.managers.map((manager) => `pm_${manager}-${id}`);
    const beside = (BESIDE[category] ?? []).map((kind) => `${kind}-${uuidOf(id)}`);
    return [id, ...beside, ...inboxes];
  }

  private async readStream(stream: string): Promise<void> {
    for await (const event of this.store.readStream(stream)) {
      // Operators are named by what belongs to no account.
      if (event.meta.accountId !== this.account && categoryOf(stream) !== 'operator') return;
      this.name(event);
      if (categoryOf(stream) !== 'operator') this.known.set(event.id, event);
      if (this.known.size >= MAX_EVENTS) return;
    }
  }

  private name({ stream, type, data }: RecordedEvent): void {
    const name = data['name'];
    const isBirth = /\.(created|claimed|reserved|attached)$/.test(type) || type.endsWith('.updated');
    if (isBirth && typeof name === 'string' && name !== '') this.names.set(stream, name);
  }
}

/** Ids of things that an event names, not deeper than lists of members. */
export const mentioned = (event: RecordedEvent): string[] => {
  const { data, meta } = event;
  const found = [...Object.values(meta.links), event.stream, meta.actor.id];
  const look = (value: unknown, depth: number): void => {
    if (typeof value === 'string') found.push(value);
    else if (typeof value === 'object' && value !== null && depth < 3)
      for (const inner of Object.values(value)) look(inner, depth + 1);
  };
  const input = inboxInput(event);
  look(input === undefined ? data : { instance: data['instance'], event: input.event?.data }, 0);
  return found.filter((id) => typeof id === 'string' && ENTITY.test(id));
};

const isInbox = (event: RecordedEvent): boolean => categoryOf(event.stream).startsWith('pm_');

/** What concerns the subject, the inboxes that took that in or brought it about, and what those had been told. */
const keep = (events: readonly RecordedEvent[], subject: Subject): RecordedEvent[] => {
  const facts = events.filter((event) => !isInbox(event));
  const kept = new Set(concerns(facts, subject).map((event) => event.id));
  const causes = new Set(events.flatMap(({ id, meta }) => (kept.has(id) ? [meta.causationId, meta.commandId] : [])));
  for (const event of events) {
    const input = inboxInput(event);
    if (input === undefined) continue;
    const sent = causes.has(event.id) || commandIdsOf(event).some((id) => causes.has(id));
    const took = input.event !== undefined && kept.has(input.event.id);
    if (!sent && !took && event.data['instance'] !== subject.id) continue;
    kept.add(event.id);
    if (sent && input.event !== undefined) kept.add(input.event.id);
  }
  return events.filter((event) => kept.has(event.id));
};

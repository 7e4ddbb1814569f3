import { categoryOf } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { commandIdsOf, inboxInput } from './inbox.js';
import { instructionFor } from './instructions.js';

export type NodeType = 'call' | 'event' | 'decision' | 'report' | 'applied';

export interface StoryNode {
  /** Of the event; of a call its correlation id. */
  readonly id: string;
  readonly type: NodeType;
  /** The event itself; of a call the first one that it led to. */
  readonly event: RecordedEvent;
  /** `answers`: a node did it because of what it was told, as far as order and subject say; the log holds no id for that. */
  readonly relation: 'caused_by' | 'answers' | null;
  readonly children: StoryNode[];
}

const isInbox = (event: RecordedEvent): boolean => categoryOf(event.stream).startsWith('pm_');

/** An inbox event that decided nothing is only bookkeeping, unless it tells of a refusal. */
const isTelling = (event: RecordedEvent): boolean => {
  const outputs = (event.data['outputs'] ?? []) as readonly { kind: string }[];
  return (
    outputs.some((o) => o.kind === 'command' || o.kind === 'note' || o.kind === 'timer') ||
    inboxInput(event)?.outcome === 'refused'
  );
};

const typeOf = (event: RecordedEvent, relation: StoryNode['relation']): NodeType => {
  if (isInbox(event)) return 'decision';
  if (/\.generation_(settled|applied|failed)$/.test(event.type)) return 'applied';
  // What follows from a report bears the agent's name too, but is the platform's doing.
  return event.meta.actor.kind === 'agent' && relation !== 'caused_by' ? 'report' : 'event';
};

interface Index {
  readonly byId: ReadonlyMap<string, RecordedEvent>;
  /** Which inbox event sent a command. */
  readonly senders: ReadonlyMap<string, RecordedEvent>;
  readonly inboxes: ReadonlyMap<string, readonly RecordedEvent[]>;
  /** The first event of each operator's call. */
  readonly calls: ReadonlyMap<string, RecordedEvent>;
  readonly firsts: ReadonlyMap<string, RecordedEvent>;
  readonly events: readonly RecordedEvent[];
}

/** Events as the forest of what led to what: tool calls, decisions, what nodes did. Roots and children in the order of the log. */
export const growStory = (events: readonly RecordedEvent[]): StoryNode[] => {
  const telling = events.filter((event) => !isInbox(event) || isTelling(event));
  const index = indexOf(events, telling);
  const nodes = new Map<string, StoryNode>();
  const roots: StoryNode[] = [];
  for (const event of telling) {
    const parent = parentOf(event, index);
    const relation = parent === undefined ? null : parent.relation;
    const node: StoryNode = { id: event.id, type: typeOf(event, relation), event, relation, children: [] };
    nodes.set(event.id, node);
    if (parent?.call !== undefined) callNode(nodes, roots, parent.call).children.push(node);
    else {
      const above = parent?.event === undefined ? undefined : nodes.get(parent.event.id);
      if (above === undefined) roots.push({ ...node, relation: null });
      else above.children.push(node);
    }
    if (roots.at(-1)?.id === event.id) nodes.set(event.id, roots.at(-1)!);
  }
  return roots;
};

const callNode = (nodes: Map<string, StoryNode>, roots: StoryNode[], first: RecordedEvent): StoryNode => {
  const id = first.meta.correlationId;
  const known = nodes.get(id);
  if (known !== undefined) return known;
  const node: StoryNode = { id, type: 'call', event: first, relation: null, children: [] };
  nodes.set(id, node);
  roots.push(node);
  return node;
};

const indexOf = (events: readonly RecordedEvent[], telling: readonly RecordedEvent[]): Index => {
  const inboxes = new Map<string, RecordedEvent[]>();
  for (const event of events.filter(isInbox)) inboxes.set(event.stream, [...(inboxes.get(event.stream) ?? []), event]);
  const firsts = new Map<string, RecordedEvent>();
  const calls = new Map<string, RecordedEvent>();
  for (const event of telling) {
    const { correlationId, actor } = event.meta;
    if (!firsts.has(correlationId)) firsts.set(correlationId, event);
    if (actor.kind === 'operator' && !isInbox(event) && !calls.has(correlationId)) calls.set(correlationId, event);
  }
  const senders = new Map(
    events.filter(isInbox).flatMap((event) => commandIdsOf(event).map((id) => [id, event] as const)),
  );
  return { byId: new Map(telling.map((e) => [e.id, e])), senders, inboxes, calls, firsts, events: telling };
};

interface Parent {
  readonly relation: 'caused_by' | 'answers';
  readonly event?: RecordedEvent;
  readonly call?: RecordedEvent;
}

const caused = (event: RecordedEvent | undefined): Parent | undefined =>
  event === undefined ? undefined : { relation: 'caused_by', event };

const parentOf = (event: RecordedEvent, index: Index): Parent | undefined => {
  if (isInbox(event)) return caused(beforeDecision(event, index));
  const { causationId, commandId, correlationId, actor } = event.meta;
  const before = (one: RecordedEvent | undefined) =>
    one !== undefined && one.position < event.position ? one : undefined;
  const sender = index.senders.get(commandId) ?? index.senders.get(causationId);
  if (sender !== undefined) return caused(before(sender));
  const direct = before(index.byId.get(causationId));
  if (direct !== undefined) return caused(actor.kind === 'process_manager' ? decisionOn(direct, event, index) : direct);
  const call = index.calls.get(correlationId);
  if (call !== undefined && actor.kind === 'operator') return { relation: 'caused_by', call };
  if (actor.kind === 'process_manager') {
    const decided = lastDecision(event, index);
    if (decided !== undefined) return caused(decided);
  }
  if (call !== undefined) return { relation: 'caused_by', call };
  const first = before(index.firsts.get(correlationId));
  if (first !== undefined) return caused(first);
  const instruction = instructionFor(event, index.events);
  return instruction === undefined ? undefined : { relation: 'answers', event: instruction };
};

/** What a process manager took in: an event, the firing of a timer that it had set, or the answer to its command. */
const beforeDecision = (event: RecordedEvent, { byId, inboxes, firsts }: Index): RecordedEvent | undefined => {
  const input = inboxInput(event);
  const version =
    input?.kind === 'timer' ? input.setAt : input?.kind === 'command_result' ? input.of?.version : undefined;
  const earlier = version === undefined ? undefined : inboxes.get(event.stream)?.find((one) => one.version === version);
  const found = byId.get(input?.event?.id ?? earlier?.id ?? '');
  if (found !== undefined) return found;
  const first = firsts.get(event.meta.correlationId);
  return first !== undefined && first.position < event.position ? first : undefined;
};

/** The decision of this manager on that event, when it is in the story; else the event itself. */
const decisionOn = (cause: RecordedEvent, event: RecordedEvent, { events }: Index): RecordedEvent =>
  events.findLast(
    (one) =>
      isInbox(one) &&
      one.position < event.position &&
      one.data['manager'] === event.meta.actor.id &&
      inboxInput(one)?.event?.id === cause.id,
  ) ?? cause;

/** A command made of several steps has derived ids; its manager's newest decision under the same correlation sent it. */
const lastDecision = (event: RecordedEvent, { events }: Index): RecordedEvent | undefined =>
  events.findLast(
    (one) =>
      isInbox(one) &&
      one.position < event.position &&
      one.data['manager'] === event.meta.actor.id &&
      one.meta.correlationId === event.meta.correlationId &&
      commandIdsOf(one).length > 0,
  );

import { RefusedError, type Clock } from '#kernel';
import type { EventStore, RecordedEvent } from '#event-store';
import type { ReadModels } from '#processing';
import type { ToolHandler } from '#tools';
import type { RegisteredProjections } from '../fleet-state-at.js';
import { readTime } from '../time-argument.js';
import type { explainTool } from './definition.js';
import { gather } from './gather.js';
import { inboxInput } from './inbox.js';
import { phasesOf } from './phases.js';
import { findSubject } from './subject.js';
import { growStory, type StoryNode } from './tree.js';
import { acksOf, appliedTitle, callTitle, decisionTitle, factsOf, kindInShort, named, type Names } from './words.js';

type Tool = typeof explainTool;

export interface ExplainDeps {
  readonly store: Pick<EventStore, 'readStream'>;
  readonly models: ReadModels;
  readonly projections: RegisteredProjections;
  readonly managers: () => readonly string[];
  readonly clock: Pick<Clock, 'wallMs'>;
}

/** From here on somebody waits for it. */
const GAP_MS = 1_000;

export const explain =
  (deps: ExplainDeps): ToolHandler<Tool['input'], Tool['output']> =>
  async (input, call) => {
    const within = rangeOf(input, deps.clock.wallMs());
    const subject = await findSubject(deps.models, deps.projections(), call.accountId, input.subject);
    const { events: all, names, cut } = await gather(deps.store, deps.managers(), call.accountId, subject);
    const events = all.filter(within);
    const story = flatten(growStory(events), { names, subjectId: subject.id, beganMs: msOf(events[0]) });
    const entries = newest(story, input.limit);
    return {
      subject: { kind: subject.kind, id: subject.id, name: subject.name },
      now: subject.now,
      began_at: events[0]?.recordedAt ?? null,
      ended_at: events.at(-1)?.recordedAt ?? null,
      duration_ms: msOf(events.at(-1)) - msOf(events[0]),
      entries,
      phases: phasesOf(subject.kind, events, names),
      failures: events.flatMap((event) => failureOf(event, names, subject.id)),
      left_out: story.length - entries.length,
      incomplete: cut,
    };
  };

const msOf = (event: RecordedEvent | undefined): number => (event === undefined ? 0 : Date.parse(event.recordedAt));

const rangeOf = ({ from, to }: { from?: string | undefined; to?: string | undefined }, nowMs: number) => {
  const [min, max] = [
    [from, 'from'],
    [to, 'to'],
  ].map(([text, field]) => {
    if (text === undefined) return undefined;
    const read = readTime(text, nowMs, field);
    if (read.kind === 'time') return read.ms;
    // The end of a range may lie ahead.
    if (field === 'to' && read.refusal.code === 'time_in_future') return Infinity;
    throw new RefusedError(read.refusal);
  });
  return (event: RecordedEvent): boolean => msOf(event) >= (min ?? -Infinity) && msOf(event) <= (max ?? Infinity);
};

interface Telling {
  readonly names: Names;
  readonly subjectId: string;
  readonly beganMs: number;
}

type Entry = ReturnType<typeof entryOf>;

const flatten = (roots: readonly StoryNode[], telling: Telling): Entry[] => {
  const entries: Entry[] = [];
  const add = (node: StoryNode, parent: StoryNode | undefined, depth: number): void => {
    entries.push(entryOf(node, parent, depth, telling));
    for (const child of node.children) add(child, node, depth + 1);
  };
  for (const root of roots) add(root, undefined, 0);
  return entries;
};

const entryOf = (
  node: StoryNode,
  parent: StoryNode | undefined,
  depth: number,
  { names, subjectId, beganMs }: Telling,
) => {
  const { event, type } = node;
  const since = parent === undefined ? beganMs : msOf(parent.event);
  const afterMs = Math.max(0, msOf(event) - since);
  return {
    id: node.id,
    parent_id: parent?.id ?? null,
    depth,
    type,
    relation: node.relation,
    at: event.recordedAt,
    after_ms: afterMs,
    gap: parent !== undefined && afterMs >= GAP_MS,
    title: titleOf(node, names, subjectId),
    kind: type === 'call' ? null : event.type,
    actor: named(`${event.meta.actor.kind} ${event.meta.actor.id}`, names),
    severity: type === 'call' ? 'info' : event.meta.severity,
    correlation_id: event.meta.correlationId,
  };
};

const titleOf = ({ event, type }: StoryNode, names: Names, subjectId: string): string => {
  switch (type) {
    case 'call':
      return callTitle(event, names);
    case 'decision':
      return decisionTitle(event, names);
    case 'applied':
      return appliedTitle(event, names);
    default: {
      const facts = factsOf(event, names, subjectId);
      const who = type === 'report' ? `${named(event.meta.actor.id, names)} reports ` : '';
      return `${who}${kindInShort(event.type)}${facts === '' ? '' : ` ${facts}`}${acksOf(event, names)}`;
    }
  }
};

/** What did not go as it should: said by its severity, or a refused command. */
const failureOf = (event: RecordedEvent, names: Names, subjectId: string) => {
  const refused = inboxInput(event)?.outcome === 'refused';
  if (!refused && !['high', 'critical'].includes(event.meta.severity)) return [];
  const reason = refused ? decisionTitle(event, names) : factsOf(event, names, subjectId);
  return [{ at: event.recordedAt, id: event.id, kind: event.type, reason }];
};

/** The newest entries with all that stands above them, still in tree order. */
const newest = (story: readonly Entry[], limit: number): Entry[] => {
  if (story.length <= limit) return [...story];
  const byId = new Map(story.map((entry) => [entry.id, entry]));
  const kept = new Set<string>();
  for (const entry of [...story].sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : b.depth - a.depth))) {
    const path: string[] = [];
    for (let at: Entry | undefined = entry; at !== undefined && !kept.has(at.id); at = byId.get(at.parent_id ?? ''))
      path.push(at.id);
    if (kept.size + path.length > limit) break;
    for (const id of path) kept.add(id);
  }
  return story.filter((entry) => kept.has(entry.id));
};

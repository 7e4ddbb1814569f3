import { categoryOf } from '#kernel';
import type { RecordedEvent } from '#event-store';
import type { Subject, SubjectKind } from './subject.js';

/** Kinds of what happens to a machine that are part of the story of its cluster, or of a virtual IP that it may hold. */
const OF_MEMBERS: Readonly<Record<Exclude<SubjectKind, 'instance'>, RegExp>> = {
  cluster:
    /^system\.(k3s\.|module\.|instance\.(lost|returned|drain_requested|drained|uncordoned|terminated|forgotten)$)/,
  virtual_ip: /^system\.instance\.(lost|returned|drain_requested|drained|terminated|forgotten)$/,
};

const mentions = (event: RecordedEvent, id: string): boolean =>
  event.stream === id || JSON.stringify([event.data, event.meta.links]).includes(`"${id}"`);

/** Ids of one kind that an event is about. */
const idsOf = (event: RecordedEvent, kind: string): string[] => {
  const text = JSON.stringify([event.stream, event.data, event.meta.links]);
  return [...text.matchAll(new RegExp(`"(${kind}-[0-9a-f-]{36})"`, 'g'))].map((match) => match[1]!);
};

/**
 * What belongs into the story of a subject: what names it, what happened to its members (of a cluster or a virtual IP), and what
 * shares a correlation with those without being about another thing of the subject's kind.
 */
export const concerns = (events: readonly RecordedEvent[], subject: Subject): RecordedEvent[] => {
  const own = events.filter((event) => event.stream === subject.id);
  const members = new Set(subject.kind === 'instance' ? [] : own.flatMap((event) => idsOf(event, 'instance')));
  const vips = new Set(subject.kind === 'cluster' ? own.flatMap((event) => idsOf(event, 'virtual_ip')) : []);
  const isMembers = (event: RecordedEvent) =>
    subject.kind !== 'instance' &&
    OF_MEMBERS[subject.kind].test(event.type) &&
    idsOf(event, 'instance').some((id) => members.has(id)) &&
    (subject.kind !== 'cluster' || idsOf(event, 'cluster').every((id) => id === subject.id));
  const direct = events.filter((event) => mentions(event, subject.id) || vips.has(event.stream) || isMembers(event));
  const kept = new Set(direct.map((event) => event.id));
  const correlations = new Set(direct.filter(tellsTheSameStory(subject)).map((event) => event.meta.correlationId));
  return events.filter(
    (event) => kept.has(event.id) || (correlations.has(event.meta.correlationId) && isAboutNoOther(event, subject)),
  );
};

/** A call that made a template, or an operator's token, is no part of the story of each thing that later used it. */
const tellsTheSameStory =
  (subject: Subject) =>
  (event: RecordedEvent): boolean =>
    event.stream === subject.id || mentions(event, subject.id) || categoryOf(event.stream) === 'virtual_ip';

const isAboutNoOther = (event: RecordedEvent, subject: Subject): boolean => {
  const others = idsOf(event, subject.kind).filter((id) => id !== subject.id);
  if (others.length > 0) return false;
  return (
    subject.kind === 'instance' ||
    subject.kind === 'cluster' ||
    idsOf(event, 'virtual_ip').every((id) => id === subject.id)
  );
};

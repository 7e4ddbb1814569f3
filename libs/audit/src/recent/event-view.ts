import { categoryOf } from '#kernel';
import type { RecordedEvent } from '#event-store';

/** An event as operators see it: no stream, no position, nothing of how the platform keeps it. */
export interface EventView {
  readonly id: string;
  readonly kind: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly severity: string;
  readonly links: RecordedEvent['meta']['links'];
  readonly occurred_at: string;
  readonly correlation_id: string;
  readonly actor: RecordedEvent['meta']['actor'];
  /** Absent where there are none. */
  readonly topics?: string[];
}

export const viewOf = ({ id, type, data, meta }: RecordedEvent): EventView => ({
  id,
  kind: type,
  payload: data,
  severity: meta.severity,
  links: meta.links,
  occurred_at: meta.occurredAt,
  correlation_id: meta.correlationId,
  actor: meta.actor,
  ...(meta.topics.length === 0 ? {} : { topics: [...meta.topics] }),
});

/** The platform's own bookkeeping is no news: inboxes of process managers and names claimed on the account. */
export const isNews = (event: RecordedEvent): boolean => !categoryOf(event.stream).startsWith('pm_');

/**
 * `kind_prefix` finds an event by its kind and by each of its topics, letter by letter: tutorial 04 asks for `system.k3s.handshake.join` and
 * means `join_request`, `join_token_issued` and what belongs to them, so it cannot end at a border between segments.
 */
export const matchesPrefix = (event: RecordedEvent, prefix: string): boolean =>
  event.type.startsWith(prefix) || event.meta.topics.some((topic) => topic.startsWith(prefix));

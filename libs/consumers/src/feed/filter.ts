import { nearest, refusal, RefusedError, type Severity } from '#kernel';
import type { RecordedEvent } from '#event-store';
import { isNews, matchesPrefix } from '#audit';

/** What a consumer wants. Conditions of different kinds must all hold; of several values of one kind, any. */
export interface EventFilter {
  /** Undefined: every account (system scope). */
  readonly accountId: string | undefined;
  readonly kindPrefixes: readonly string[];
  /** Names of streams, or what these begin with. */
  readonly streams: readonly string[];
  /** Ids of entities: events of their streams and events that link to them. */
  readonly subjects: readonly string[];
  readonly minSeverity: Severity;
}

export const SEVERITIES = ['info', 'warning', 'high', 'critical'] as const satisfies readonly Severity[];

const anyOf = <T>(wanted: readonly T[], holds: (one: T) => boolean): boolean =>
  wanted.length === 0 || wanted.some(holds);

export const passes = (filter: EventFilter, event: RecordedEvent): boolean =>
  (filter.accountId === undefined || event.meta.accountId === filter.accountId) &&
  isNews(event) &&
  SEVERITIES.indexOf(event.meta.severity) >= SEVERITIES.indexOf(filter.minSeverity) &&
  anyOf(filter.streams, (prefix) => event.stream.startsWith(prefix)) &&
  anyOf(filter.subjects, (id) => event.stream === id || Object.values(event.meta.links).includes(id)) &&
  anyOf(filter.kindPrefixes, (prefix) => matchesPrefix(event, prefix));

/** `system.k3s` of `system.k3s.handshake.ready`: topics share these with kinds, so a prefix outside them can never match. */
const familyOf = (kind: string): string => kind.split('.').slice(0, 2).join('.');

/** Refuses a prefix under which no event of this build can ever come: a consumer that waits for ever looks like a quiet fleet. */
export const checkPrefixes = (prefixes: readonly string[], kinds: readonly string[], field = 'kind_prefix'): void => {
  const families = [...new Set(kinds.map(familyOf))].sort();
  for (const prefix of prefixes) {
    const family = familyOf(prefix);
    if (
      families.some(
        (known) => known === family || (!prefix.slice(family.length).startsWith('.') && known.startsWith(family)),
      )
    )
      continue;
    const near = nearest(family, families) ?? families.find((known) => known.endsWith(`.${prefix.split('.').at(0)}`));
    throw new RefusedError(
      refusal(400, 'unknown_kind', `${field}: no kind of event starts with ${JSON.stringify(prefix.slice(0, 100))}`, {
        field,
        hint: near === undefined ? `kinds start with ${families.join(', ')}` : `did you mean ${near}?`,
        candidates: (near === undefined ? families : [near]).map((id) => ({ id })),
      }),
    );
  }
};
